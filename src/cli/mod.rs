//! The commands, one file each.

pub mod config_show;
pub mod validate;

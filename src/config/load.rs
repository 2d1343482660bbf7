//! The one way in: a file and an environment become a checked configuration, or all their problems.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::advice;
use super::checked::Config;
use super::environment;
use super::finding::{Finding, Origin, Problems};
use super::report::{Report, ShownValue};
use super::secret_file::{self, SecretFiles};
use super::section::Section;
use super::sections;
use super::tree::{self, Table};

/// Ten thousand rules are a tenth of it.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// A checked configuration and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to run.
    pub config: Config,
    /// What works but is hardly meant, in the order of the file.
    pub warnings: Vec<Finding>,
    /// Every value in effect with its origin, secrets redacted, in the order of the documented
    /// default. Optional keys without a value are left out.
    pub values: Vec<ShownValue>,
}

/// Reads the file (none means the built-in defaults), lays the `CXPULSE__*` variables over it and
/// checks everything. Files with secrets are read, too.
///
/// # Errors
///
/// All problems of file and environment together.
pub fn load(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    load_with(path, environment, SecretFiles::Required)
}

/// Like [`load`], with a choice what absent secret files mean.
///
/// # Errors
///
/// All problems of file and environment together.
pub fn load_with(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    secret_files: SecretFiles,
) -> Result<Loaded, Problems> {
    let mut report = Report::new(secret_files);
    let variables: Vec<(String, String)> = environment.collect();
    let entries = match path.map_or(Ok(Table::new()), read_file) {
        Ok(entries) => entries,
        Err(findings) => return Err(problems(path, findings)),
    };
    let config = read_tree(entries, variables, &mut report);
    if !report.problems.is_empty() {
        return Err(problems(path, report.problems));
    }
    Ok(Loaded {
        config,
        warnings: report.warnings,
        values: report.shown,
    })
}

fn problems(path: Option<&Path>, findings: Vec<Finding>) -> Problems {
    Problems {
        path: path.map(Path::to_owned),
        findings,
    }
}

fn read_file(path: &Path) -> Result<Table, Vec<Finding>> {
    let path: Arc<Path> = Arc::from(path);
    let unreadable = |message: String, hint: &str| {
        vec![Finding {
            origin: Origin::File {
                path: Arc::clone(&path),
                line: 0,
            },
            key: String::new(),
            message,
            hint: hint.into(),
        }]
    };
    let bytes = read_bounded(&path).map_err(|error| {
        let message = format!("cannot read: {}", secret_file::reason(&error));
        unreadable(
            message,
            "name a file; without one the built-in defaults are used",
        )
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable("is not UTF-8".into(), "save the file as UTF-8"))?;
    // Some editors begin a file with a byte order mark.
    tree::parse(text.strip_prefix('\u{feff}').unwrap_or(&text), &path)
}

/// The bytes of a file of a sensible length.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(io::Error::other("it is longer than 8 MiB"));
    }
    Ok(bytes)
}

fn read_tree(mut entries: Table, variables: Vec<(String, String)>, report: &mut Report) -> Config {
    let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
    environment::overlay(&mut entries, variables, report);
    let config = sections::read(Section::root(entries), report);
    advice::overlooked_variables(&names, report);
    report.close();
    config
}

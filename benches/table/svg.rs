//! Two small charts side by side as SVG: a rate, and memory, over the same thing that grows.

use std::fmt::Write as _;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 230.0;
/// Room for labels: left, right, above, below.
const MARGIN: [f64; 4] = [58.0, 24.0, 40.0, 44.0];
const BLUE: &str = "#2563a8";
const ORANGE: &str = "#b4540a";
/// Grid lines above the axis.
const STEPS: u32 = 4;
/// The axis is logarithmic where the largest is so many times the smallest.
const WIDE: f64 = 20.0;

/// What is measured at one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) size: f64,
    /// Million events a second on one core.
    pub(crate) rate: f64,
    /// Resident memory, MB.
    pub(crate) memory: f64,
}

/// The charts of some points, their sizes rising.
pub(crate) fn charts(title: &str, axis: &str, points: &[Point]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"11\" fill=\"#222\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH * 2.0
    );
    let rates: Vec<(f64, f64)> = points.iter().map(|one| (one.size, one.rate)).collect();
    let memory: Vec<(f64, f64)> = points.iter().map(|one| (one.size, one.memory)).collect();
    chart(
        &mut svg,
        0.0,
        "million events/s, one core",
        axis,
        BLUE,
        &rates,
    );
    chart(
        &mut svg,
        WIDTH,
        "resident memory, MB",
        axis,
        ORANGE,
        &memory,
    );
    svg.push_str("</svg>\n");
    svg
}

fn chart(
    svg: &mut String,
    shift: f64,
    title: &str,
    axis: &str,
    color: &str,
    points: &[(f64, f64)],
) {
    let [left, right, above, below] = MARGIN;
    let (x0, x1) = (shift + left, shift + WIDTH - right);
    let (y0, y1) = (HEIGHT - below, above);
    let top = round_up(points.iter().map(|(_, value)| *value).fold(0.0, f64::max));
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let wide = first > 0.0 && last / first >= WIDE;
    let scale = |size: f64| if wide { size.ln() } else { size };
    let x =
        |size: f64| x0 + (x1 - x0) * (scale(size) - scale(first)) / (scale(last) - scale(first));
    let y = |value: f64| y0 - (y0 - y1) * value / top;
    let mut text = |across: f64, down: f64, anchor: &str, text: &str| {
        writeln!(
            svg,
            "<text x=\"{across:.1}\" y=\"{down:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        )
        .unwrap();
    };
    text(
        x0,
        y1 - 22.0,
        "start",
        &format!("<tspan font-weight=\"600\">{title}</tspan>"),
    );
    text(f64::midpoint(x0, x1), HEIGHT - 8.0, "middle", axis);
    for step in 0..=STEPS {
        let value = top * f64::from(step) / f64::from(STEPS);
        text(x0 - 6.0, y(value) + 4.0, "end", &short(value));
    }
    for (size, _) in points {
        text(x(*size), y0 + 15.0, "middle", &short(*size));
    }
    for (size, value) in points {
        text(x(*size), y(*value) - 7.0, "middle", &short(*value));
    }
    for step in 0..=STEPS {
        let at = y(top * f64::from(step) / f64::from(STEPS));
        writeln!(
            svg,
            "<path d=\"M{x0:.1} {at:.1}H{x1:.1}\" stroke=\"#ddd\"/>"
        )
        .unwrap();
    }
    let line: Vec<String> = points
        .iter()
        .map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)))
        .collect();
    writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
        line.join(" ")
    )
    .unwrap();
    for (size, value) in points {
        let (across, down) = (x(*size), y(*value));
        writeln!(
            svg,
            "<circle cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\" fill=\"{color}\"/>"
        )
        .unwrap();
    }
}

/// A number as short as it can be read: `1.5M`, `80k`, `0.93`.
fn short(value: f64) -> String {
    let with = |shown: f64, unit: &str| {
        let text = format!("{shown:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{unit}")
    };
    if value >= 1e6 {
        with(value / 1e6, "M")
    } else if value >= 10_000.0 {
        with((value / 1e3).round(), "k")
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        with(value, "")
    }
}

/// The next 1, 2, 3, 4, 5, 6 or 8 times a power of ten, with some room.
fn round_up(value: f64) -> f64 {
    let wanted = value.max(1e-9) * 1.08;
    let unit = 10_f64.powf(wanted.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * unit >= wanted);
    step.unwrap_or(10.0) * unit
}

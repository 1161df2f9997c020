//! The report page: one HTML file without scripts; faults over time, throughput, p99.9, errors.

use std::fmt::Write;

use crate::figures::Second;
use crate::results::Results;
use crate::verdict::Outcome;

/// Width and height of a chart.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 110.0;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
    h1{font-size:1.4em}table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}\
    .held{color:#17692b}.broken{color:#a31515}.not-tried{color:#8a5a00}svg{width:100%;height:auto;background:#fafafa}\
    figure{margin:1em 0}figcaption{font-size:.9em;color:#555}.n{text-align:right}";

/// The whole page.
pub fn page(results: &Results) -> String {
    let (class, word) = match results.verdict.outcome {
        Outcome::Held => ("held", "held"),
        Outcome::Broken => ("broken", "broken"),
        Outcome::NotTried => ("not-tried", "not tried"),
    };
    let mut page = String::new();
    let title = format!("{}: {word}", results.scenario);
    put(
        &mut page,
        &format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>"
        ),
    );
    put(&mut page, &format!("<h1>{}: <span class=\"{class}\">{word}</span></h1>", results.scenario));
    put(&mut page, &format!("<p>To show: {}.</p>", escaped(results.proves)));
    let minutes = results.minutes;
    put(
        &mut page,
        &format!(
            "<p>Commit {}. Again: <code>dnc-chaos run --scenario {} --seed {} --minutes {minutes}</code></p>",
            escaped(&results.commit),
            results.scenario,
            results.seed
        ),
    );
    if let Some(why) = &results.verdict.why {
        put(&mut page, &format!("<p class=\"{class}\">{}</p>", escaped(why)));
    }
    promises(&mut page, results);
    figures(&mut page, results);
    let chart = |page: &mut String, caption: &str, of: &dyn Fn(&Second) -> f64, colour: &str| {
        put(page, &chart(results, caption, of, colour));
    };
    chart(&mut page, "checks answered, a second", &|s| count(s.checks), "#1f5fa8");
    chart(&mut page, "p99.9 of checks, milliseconds", &|s| s.p999_ms, "#7a3fa0");
    chart(&mut page, "checks failed, a second", &|s| count(s.failed), "#a31515");
    chart(&mut page, "writes acknowledged, a second", &|s| count(s.writes), "#17692b");
    chart(&mut page, "writes not confirmed, a second", &|s| count(s.unconfirmed), "#8a5a00");
    put(&mut page, "<h2>What was done</h2><table><tr><th>from<th>until<th>round<th>");
    for step in &results.steps {
        put(
            &mut page,
            &format!(
                "<tr><td class=n>{:.1} s<td class=n>{:.1} s<td class=n>{}<td>{}",
                step.from_s,
                step.until_s,
                step.round + 1,
                escaped(&step.act)
            ),
        );
    }
    put(&mut page, "</table>");
    if !results.verdict.broken.is_empty() {
        put(&mut page, "<h2>What was broken</h2><ol>");
        results.verdict.broken.iter().for_each(|line| put(&mut page, &format!("<li>{}", escaped(line))));
        put(&mut page, "</ol>");
    }
    page
}

fn promises(page: &mut String, results: &Results) {
    put(page, "<table><tr><th>promise<th class=n>looked at<th class=n>broken");
    for promise in &results.verdict.promises {
        let class = if promise.broken > 0 { "broken" } else { "held" };
        put(
            page,
            &format!(
                "<tr><td>{}<td class=n>{}<td class=\"n {class}\">{}",
                promise.promise, promise.checked, promise.broken
            ),
        );
    }
    put(page, "</table>");
}

fn figures(page: &mut String, results: &Results) {
    let figures = &results.figures;
    put(
        page,
        "<table><tr><th>checks<th class=n>calls<th class=n>p50<th class=n>p99<th class=n>p99.9<th class=n>slowest",
    );
    for (name, latency) in [("during the fault", figures.during), ("undisturbed", figures.undisturbed)] {
        put(
            page,
            &format!(
                "<tr><td>{name}<td class=n>{}<td class=n>{} ms<td class=n>{} ms<td class=n>{} ms<td class=n>{} ms",
                latency.checks, latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
            ),
        );
    }
    let healed: Vec<String> = figures.healed_s.iter().map(|seconds| format!("{seconds:.1}")).collect();
    put(
        page,
        &format!(
            "</table><p>{} suppressions and {} releases acknowledged, {} writes of unknown outcome, {} refused. \
             {} checks failed where the design says that they may. Whole again after {} s. \
             Longest time without an acknowledged write: {:.1} s.</p>",
            figures.suppressed,
            figures.released,
            figures.unknown,
            figures.refused,
            results.verdict.failed_by_design,
            healed.join(", "),
            figures.longest_without_writes_s
        ),
    );
}

/// One line over time, with the rounds behind it.
fn chart(results: &Results, caption: &str, of: &dyn Fn(&Second) -> f64, colour: &str) -> String {
    let values: Vec<f64> = results.seconds.iter().map(of).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    let x = |second: f64| second * WIDTH / count(values.len().max(1));
    let y = |value: f64| HEIGHT - value * (HEIGHT - 14.0) / most.max(1.0);
    let mut drawn = String::new();
    for step in &results.steps {
        let (from, until) = (x(step.from_s), x(step.until_s));
        let width = (until - from).max(1.0);
        let tooltip = escaped(&step.act);
        put(
            &mut drawn,
            &format!(
                "<rect x=\"{from:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"#f3dcdc\"><title>{tooltip}</title></rect>"
            ),
        );
    }
    let points: Vec<String> =
        values.iter().enumerate().map(|(at, value)| format!("{:.1},{:.1}", x(count(at) + 0.5), y(*value))).collect();
    put(
        &mut drawn,
        &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>", points.join(" ")),
    );
    format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">{drawn}</svg>\
         <figcaption>{caption}: at most {most:.0}; {} s in all, red while something is done</figcaption></figure>",
        values.len()
    )
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run are far below what a double holds exactly")]
fn count(of: usize) -> f64 {
    of as f64
}

fn put(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a text takes any text");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

//! The last lines of a run: what was found, where, how long it took, where the files are; or why not, and which log to
//! read.

use std::path::Path;

use serde_json::Value;

/// What the report node measures: null in the report of a run that ended before that node was there.
const MEASURED: [&str; 17] = [
    "estimated_position",
    "true_position",
    "position_error_m",
    "sim_time_s",
    "wall_time_s",
    "real_time_factor",
    "path_length_m",
    "collisions",
    "min_clearance_m",
    "goals",
    "verdicts",
    "frames",
    "latency_ms",
    "seed",
    "world",
    "missed_control_periods",
    "versions",
];

/// The report of a run that ended before it could leave one.
pub fn unmeasured(class: Option<&str>, reason: &str) -> Value {
    let nulls = MEASURED.iter().map(|field| (*field, Value::Null));
    let known = [
        ("found", Value::from(false)),
        ("class", Value::from(class)),
        ("reason", Value::from(reason)),
    ];
    let fields = known.into_iter().chain(nulls);
    Value::Object(
        fields
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

/// Adds what only the supervisor knows to the report: how often each node was started again. A report that already has
/// restarts keeps them.
pub fn complete_report(report: &mut Value, restarts: &[(String, usize)]) {
    if let Some(fields) = report.as_object_mut()
        && fields.get("restarts").is_none_or(Value::is_null)
    {
        let counts = restarts
            .iter()
            .map(|(name, count)| (name.clone(), Value::from(*count)));
        fields.insert("restarts".to_string(), Value::Object(counts.collect()));
    }
}

/// Why a run ended that found nothing.
pub fn give_reason(report: &mut Value, why: &str) {
    if let Some(fields) = report.as_object_mut()
        && fields.get("found") != Some(&Value::Bool(true))
    {
        fields.insert("reason".to_string(), Value::from(why));
    }
}

/// The summary of a run that has left a report.
pub fn of_report(report: &Value, out: &Path) -> String {
    let class = report["class"].as_str().unwrap_or("the object");
    let mut lines = Vec::new();
    if report["found"] == Value::Bool(true) {
        lines.push(format!(
            "found: {class}{}",
            place(&report["estimated_position"], " at ")
        ));
        if let Some(error) = report["position_error_m"].as_f64() {
            lines.push(format!(
                "true place{}, {error:.2} m off",
                place(&report["true_position"], " ")
            ));
        }
    } else {
        let reason = report["reason"]
            .as_str()
            .unwrap_or("the report names no reason");
        lines.push(format!("not found: {class}: {reason}"));
    }
    lines.extend(times(report));
    lines.extend(counts(report));
    let found = report["found"] == Value::Bool(true);
    let frame = if found { "frame.png, " } else { "" };
    lines.push(format!(
        "files: {} (report.json, run.rrd, map.png, {frame}tree.jsonl, logs/)",
        out.display()
    ));
    if !found {
        lines.push(format!(
            "read first: {}",
            out.join("logs/autonomy.log").display()
        ));
    }
    lines.join("\n")
}

fn place(position: &Value, before: &str) -> String {
    match (position[0].as_f64(), position[1].as_f64()) {
        (Some(x), Some(y)) => format!("{before}({x:.2}, {y:.2}) m"),
        _ => String::new(),
    }
}

fn times(report: &Value) -> Option<String> {
    let simulated = report["sim_time_s"].as_f64();
    let wall = report["wall_time_s"].as_f64()?;
    let factor = report["real_time_factor"]
        .as_f64()
        .map(|factor| format!(", real-time factor {factor:.2}"));
    Some(match simulated {
        Some(simulated) => format!(
            "time: {simulated:.1} s simulated, {wall:.1} s real{}",
            factor.unwrap_or_default()
        ),
        None => format!("time: {wall:.1} s"),
    })
}

fn counts(report: &Value) -> Option<String> {
    let length = report["path_length_m"].as_f64()?;
    let mut text = format!("path: {length:.1} m");
    if let Some(collisions) = report["collisions"].as_u64() {
        text += &format!(", {collisions} collisions");
    }
    if let (Some(sent), Some(rejected)) = (
        report["goals"]["sent"].as_u64(),
        report["goals"]["rejected"].as_u64(),
    ) {
        text += &format!(", {sent} goals of which {rejected} refused");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_find_says_what_where_and_how_long() {
        let report = json!({"found": true, "class": "cup", "estimated_position": [1.0, 2.04], "true_position": [1.1, 2.0],
            "position_error_m": 0.108, "sim_time_s": 63.2, "wall_time_s": 20.0, "real_time_factor": 3.16,
            "path_length_m": 9.34, "collisions": 0, "goals": {"sent": 4, "rejected": 1}});
        assert_eq!(
            of_report(&report, Path::new("/out")),
            "found: cup at (1.00, 2.04) m\n\
             true place (1.10, 2.00) m, 0.11 m off\n\
             time: 63.2 s simulated, 20.0 s real, real-time factor 3.16\n\
             path: 9.3 m, 0 collisions, 4 goals of which 1 refused\n\
             files: /out (report.json, run.rrd, map.png, frame.png, tree.jsonl, logs/)"
        );
    }

    #[test]
    fn without_a_find_the_reason_and_the_log_are_named_and_what_is_unknown_is_left_out() {
        let report = json!({"found": false, "class": "cup", "reason": "search/LookForObject: nothing seen",
            "estimated_position": null, "sim_time_s": null});
        assert_eq!(
            of_report(&report, Path::new("/out")),
            "not found: cup: search/LookForObject: nothing seen\n\
             files: /out (report.json, run.rrd, map.png, tree.jsonl, logs/)\n\
             read first: /out/logs/autonomy.log"
        );
    }

    #[test]
    fn restarts_are_filled_in_where_the_report_has_none() {
        let mut report = json!({"restarts": null});
        complete_report(&mut report, &[("detector".into(), 2)]);
        assert_eq!(report, json!({"restarts": {"detector": 2}}));
        complete_report(&mut report, &[]);
        assert_eq!(report, json!({"restarts": {"detector": 2}}));
    }
}

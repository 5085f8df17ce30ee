//! Reads the model's answer. It must be one complete verdict; whatever else it is, it is told apart and refused.

use ros_node::printable;
use serde::Deserialize;
use serde_json::{Deserializer, Value};

use crate::refusal::Refusal;

/// Longest reason that is passed on, characters.
const MAX_REASON: usize = 500;
/// How much of an answer that is no verdict is quoted, characters.
const MAX_QUOTE: usize = 80;

/// What the model says of a goal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// Whether the robot can go there.
    pub feasible: bool,
    /// 0 to 1
    pub confidence: f64,
    /// One sentence for a person.
    pub reason: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

/// The reasoning of a model stands in `reasoning` or `reasoning_content` where the server parses it; it is not looked
/// at, for only the final answer counts.
#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// The opinion in the body of a successful response.
pub(super) fn parse(body: &str) -> Result<Opinion, Refusal> {
    let completion: Completion = serde_json::from_str(body).map_err(|error| {
        // It quotes what it does not know.
        let error = printable(&error.to_string(), MAX_REASON);
        Refusal::NoVerdict(format!("not a chat completion ({error})"))
    })?;
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(Refusal::NoVerdict(
            "a chat completion without choices".into(),
        ));
    };
    let finish = choice.finish_reason.unwrap_or_else(|| "none".into());
    if finish != "stop" {
        return Err(Refusal::Truncated(quote(&finish)));
    }
    let content = choice.message.content.unwrap_or_default();
    let verdict = after_thoughts(&content)?;
    let mut opinions = verdicts_in(verdict)?.into_iter();
    let Some(value) = opinions.next() else {
        return Err(Refusal::NoVerdict("an empty text".into()));
    };
    if opinions.next().is_some() {
        return Err(Refusal::Contradictory("more than one verdict".into()));
    }
    let opinion: Opinion = serde_json::from_str(value).map_err(|error| {
        let text = printable(&error.to_string(), MAX_REASON);
        if text.starts_with("duplicate field") {
            Refusal::Contradictory(text)
        } else {
            Refusal::NoVerdict(format!("{text} in {}", quote(value)))
        }
    })?;
    check(opinion)
}

fn check(mut opinion: Opinion) -> Result<Opinion, Refusal> {
    if !(0.0..=1.0).contains(&opinion.confidence) {
        let confidence = opinion.confidence;
        return Err(Refusal::NoVerdict(format!(
            "confidence {confidence} is not between 0 and 1"
        )));
    }
    opinion.reason = printable(&opinion.reason, MAX_REASON);
    if opinion.reason.is_empty() {
        return Err(Refusal::NoVerdict("a verdict without a reason".into()));
    }
    Ok(opinion)
}

/// What stands after the model's thoughts, where it tells them.
fn after_thoughts(content: &str) -> Result<&str, Refusal> {
    match content.rsplit_once("</think>") {
        Some((_, answer)) => Ok(answer),
        None if content.contains("<think>") => {
            Err(Refusal::Truncated("thoughts without an end".into()))
        }
        None => Ok(content),
    }
}

/// The JSON objects that the text consists of, fenced or not. Anything between them is prose.
fn verdicts_in(text: &str) -> Result<Vec<&str>, Refusal> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(fence) = rest.strip_prefix("```") {
            rest = fence.strip_prefix("json").unwrap_or(fence);
            continue;
        }
        if rest.is_empty() {
            return Ok(found);
        }
        if !rest.starts_with('{') {
            return Err(Refusal::NoVerdict(format!("prose: {}", quote(rest))));
        }
        let mut objects = Deserializer::from_str(rest).into_iter::<Value>();
        match objects.next() {
            Some(Ok(_)) => {
                let (object, after) = rest.split_at(objects.byte_offset());
                found.push(object);
                rest = after;
            }
            Some(Err(error)) if error.is_eof() => {
                return Err(Refusal::Truncated("an object without an end".into()));
            }
            _ => return Err(Refusal::NoVerdict(format!("not JSON: {}", quote(rest)))),
        }
    }
}

/// What a server says about its own error, in each of the shapes that vLLM has had.
pub(super) fn error_text(body: &str, limit: usize) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let places = ["/error/message", "/error", "/message", "/detail"];
    let message = places
        .iter()
        .find_map(|place| value.pointer(place)?.as_str());
    let text = printable(message.unwrap_or(body), limit);
    if text.is_empty() {
        "no text".into()
    } else {
        text
    }
}

fn quote(text: &str) -> String {
    format!("{:?}", printable(text, MAX_QUOTE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GOOD: &str = r#"{"feasible": true, "confidence": 0.9, "reason": "The way is free."}"#;

    fn completion(content: &str) -> String {
        let message =
            json!({"role": "assistant", "content": content, "reasoning": "It looks free."});
        json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "m",
               "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": null}],
               "usage": {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330}})
        .to_string()
    }

    fn of(content: &str) -> Result<Opinion, Refusal> {
        parse(&completion(content))
    }

    fn code(content: &str) -> u16 {
        of(content).unwrap_err().code()
    }

    #[test]
    fn a_verdict_is_read_in_every_dress_the_model_has_for_it() {
        let dresses = [
            GOOD.to_owned(),
            format!("\n\n{GOOD}\n"),
            format!("```json\n{GOOD}\n```"),
            format!("```\n{GOOD}\n```\n"),
            format!("<think>\nIs it {{\"feasible\": false}}? No.\n</think>\n\n{GOOD}"),
            format!("The template began the thoughts.\n</think>\n\n```json\n{GOOD}```"),
        ];
        for dress in dresses {
            let opinion = of(&dress).unwrap();
            assert!(opinion.feasible && opinion.confidence == 0.9, "{dress}");
            assert_eq!(opinion.reason, "The way is free.");
        }
    }

    #[test]
    fn prose_is_no_verdict() {
        assert_eq!(code("Yes, the robot can drive there."), 9244);
        assert_eq!(code(&format!("Here is my verdict: {GOOD}")), 9244);
        assert_eq!(code(&format!("{GOOD} I hope this helps.")), 9244);
        assert_eq!(code(""), 9244);
        assert_eq!(code("!!!!!!!!"), 9244);
    }

    #[test]
    fn an_answer_cut_off_is_told_apart() {
        let long =
            completion(GOOD).replace(r#""finish_reason":"stop""#, r#""finish_reason":"length""#);
        assert_eq!(parse(&long).unwrap_err().code(), 9245);
        let none = completion(GOOD).replace(r#""finish_reason":"stop""#, r#""finish_reason":null"#);
        assert_eq!(parse(&none).unwrap_err().code(), 9245);
        assert_eq!(code(r#"{"feasible": true, "confidence": 0.9, "rea"#), 9245);
        assert_eq!(code("<think>\nLet me see"), 9245);
    }

    #[test]
    fn a_verdict_at_odds_with_itself_is_told_apart() {
        let bad = GOOD.replace("true", "false");
        assert_eq!(code(&format!("{GOOD}\n{bad}")), 9246);
        assert_eq!(
            code(&format!("```json\n{GOOD}\n```\n```json\n{bad}\n```")),
            9246
        );
        let twice = r#"{"feasible": true, "feasible": false, "confidence": 1, "reason": "?"}"#;
        assert_eq!(code(twice), 9246);
    }

    #[test]
    fn an_incomplete_or_odd_verdict_is_refused() {
        assert_eq!(code(r#"{"feasible": true, "confidence": 0.9}"#), 9244);
        assert_eq!(
            code(r#"{"feasible": "yes", "confidence": 0.9, "reason": "r"}"#),
            9244
        );
        assert_eq!(
            code(r#"{"feasible": true, "confidence": 7, "reason": "r"}"#),
            9244
        );
        assert_eq!(
            code(r#"{"feasible": true, "confidence": 0.9, "reason": " "}"#),
            9244
        );
        assert_eq!(
            code(&GOOD.replace("\"reason\"", "\"but\": 1, \"reason\"")),
            9244
        );
        assert_eq!(code(&format!("[{GOOD}]")), 9244);
    }

    #[test]
    fn what_a_refusal_quotes_can_be_printed() {
        let odd = GOOD.replace("reason", r"rea\u0000son");
        for refusal in [of(&odd).unwrap_err(), parse(&odd).unwrap_err()] {
            let text = refusal.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn a_verdict_that_stands_in_the_thoughts_alone_does_not_count() {
        let message = json!({"role": "assistant", "content": null, "reasoning_content": GOOD});
        let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string();
        assert_eq!(parse(&body).unwrap_err().code(), 9244);
    }

    #[test]
    fn what_is_no_completion_is_refused() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"choices": []}"#,
            r#"{"error": "busy"}"#,
        ] {
            assert_eq!(parse(body).unwrap_err().code(), 9244, "{body}");
        }
    }

    #[test]
    fn a_servers_error_is_found_in_every_shape() {
        let shapes = [
            r#"{"error": {"message": "too long", "type": "BadRequestError", "param": null, "code": 400}}"#,
            r#"{"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}"#,
            r#"{"error": "too long"}"#,
            r#"{"detail": "too long"}"#,
            "too long",
        ];
        for shape in shapes {
            assert_eq!(error_text(shape, 100), "too long");
        }
        assert_eq!(error_text("", 100), "no text");
    }
}

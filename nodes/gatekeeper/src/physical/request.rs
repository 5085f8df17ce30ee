//! What is asked of the model: the picture first, the question then, one JSON verdict wanted.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A verdict takes some fifty tokens; more leaves room for a model that thinks first.
const MAX_TOKENS: u32 = 1024;

/// Where a goal lies, seen from the robot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RelativeGoal {
    /// m, ahead of the robot; negative: behind
    pub ahead: f64,
    /// m, to its left; negative: to its right
    pub left: f64,
    /// rad, counter-clockwise from where the robot faces
    pub turn: f64,
}

/// The body of the request.
pub(super) fn body(model: &str, jpeg: &[u8], goal: RelativeGoal) -> Value {
    let picture = format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": picture}},
                {"type": "text", "text": question(goal)},
            ]},
        ],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "verdict",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": {
                    "feasible": {"type": "boolean"},
                    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                    "reason": {"type": "string"},
                },
                "required": ["feasible", "confidence", "reason"],
                "additionalProperties": false,
            },
        }},
        // The model's guide uses these where JSON is wanted.
        "temperature": 0.2,
        "top_p": 0.95,
        "seed": 1234,
        "max_tokens": MAX_TOKENS,
    })
}

fn question(goal: RelativeGoal) -> String {
    let mut text = String::from(
        "This is what the forward camera of a small wheeled robot sees now. The robot is 0.3 m wide, 0.2 m high and \
         drives on flat floor only. It has been told to drive to a place ",
    );
    let side = |metres: f64, positive, negative| {
        let word = if metres < 0.0 { negative } else { positive };
        format!("{:.1} m {word}", metres.abs())
    };
    let _ = write!(
        text,
        "{} and {}, and then to face {:.0} degrees to the {} of where it faces now. ",
        side(goal.ahead, "ahead of it", "behind it"),
        side(goal.left, "to its left", "to its right"),
        goal.turn.to_degrees().abs(),
        if goal.turn < 0.0 { "right" } else { "left" },
    );
    text.push_str(
        "The map shows a free way; the map does not know of people, animals, steps, drops, glass or things put there \
         since. Judge by the picture whether it is physically feasible and safe to drive there. If the place is not \
         in the picture, judge what is. Answer with one JSON object and nothing else: {\"feasible\": true or false, \
         \"confidence\": a number from 0 to 1, \"reason\": \"one sentence\"}",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_comes_before_the_question_and_a_schema_is_asked_for() {
        let goal = RelativeGoal {
            ahead: 2.0,
            left: -0.5,
            turn: -1.0,
        };
        let body = body("nvidia/Cosmos-Reason2-2B", b"jpeg", goal);
        let content = &body["messages"][1]["content"];
        assert_eq!(
            content[0]["image_url"]["url"],
            "data:image/jpeg;base64,anBlZw=="
        );
        let text = content[1]["text"].as_str().unwrap();
        assert!(
            text.contains("2.0 m ahead of it and 0.5 m to its right"),
            "{text}"
        );
        assert!(text.contains("57 degrees to the right"), "{text}");
        assert_eq!(body["response_format"]["type"], "json_schema");
        assert_eq!(
            body["messages"][0]["content"],
            "You are a helpful assistant."
        );
    }
}

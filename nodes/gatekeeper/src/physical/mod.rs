//! The third evaluator, where one is configured: a vision-language model (Cosmos-Reason2 behind vLLM's
//! OpenAI-compatible API) looks at the camera's picture and says whether the goal is feasible.
//!
//! The model can only forbid. Everything but one clear, complete, confident "feasible" refuses the goal: silence,
//! errors, prose, answers cut off or at odds with themselves. One request is one thread, so that a cancel never waits.

mod answer;
mod picture;
mod request;

use std::time::Duration;

pub use answer::Opinion;
pub use picture::{Picture, PictureError};
pub use request::RelativeGoal;

use crate::refusal::Refusal;

/// A verdict is a few hundred bytes; with reasoning some ten thousand.
const MAX_ANSWER_BYTES: u64 = 256 * 1024;
/// Longest text of a server's error that is passed on, characters.
const MAX_ERROR_TEXT: usize = 200;

/// Where the model is and what is asked of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base address (`http://host:8000`, with or without `/v1`) or the full address of chat completions.
    pub url: String,
    /// Name that the server knows the model by.
    pub model: String,
    /// For the whole exchange.
    pub timeout: Duration,
    /// A "feasible" with less confidence than this refuses the goal.
    pub min_confidence: f64,
}

/// Asks the model and waits for its answer, for `settings.timeout` at most.
///
/// # Errors
/// Whatever is not a confident "feasible", with its own reason.
pub fn ask(settings: &Settings, picture: &Picture, goal: RelativeGoal) -> Result<Opinion, Refusal> {
    let jpeg = picture
        .to_jpeg()
        .map_err(|error| Refusal::NoFreshFrame(error.to_string()))?;
    let body = request::body(&settings.model, &jpeg, goal);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(settings.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into();
    let mut response = agent
        .post(endpoint(&settings.url))
        .send_json(&body)
        .map_err(|error| refusal_of(error, settings))?;
    let text = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_string()
        .map_err(|error| refusal_of(error, settings))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Refusal::HttpStatus {
            status: status.as_u16(),
            message: answer::error_text(&text, MAX_ERROR_TEXT),
        });
    }
    let opinion = answer::parse(&text)?;
    let Opinion {
        feasible,
        confidence,
        ref reason,
    } = opinion;
    let reason = reason.clone();
    if !feasible {
        return Err(Refusal::Forbidden { confidence, reason });
    }
    if confidence < settings.min_confidence {
        return Err(Refusal::Unsure { confidence, reason });
    }
    Ok(opinion)
}

fn refusal_of(error: ureq::Error, settings: &Settings) -> Refusal {
    match error {
        ureq::Error::BodyExceedsLimit(limit_bytes) => Refusal::Oversize { limit_bytes },
        ureq::Error::Timeout(_) => {
            let seconds = settings.timeout.as_secs_f64();
            Refusal::NoAnswer(format!("none from {} within {seconds:.1} s", settings.url))
        }
        error => Refusal::NoAnswer(format!("{}: {error}", settings.url)),
    }
}

fn endpoint(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/chat/completions") {
        url.to_owned()
    } else if url.ends_with("/v1") {
        format!("{url}/chat/completions")
    } else {
        format!("{url}/v1/chat/completions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_may_be_given_in_three_ways() {
        let full = "http://host:8000/v1/chat/completions";
        for url in ["http://host:8000", "http://host:8000/v1/", full] {
            assert_eq!(endpoint(url), full);
        }
    }
}

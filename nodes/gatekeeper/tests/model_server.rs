//! The model's HTTP side, against a server that answers as vLLM does: its successes, its errors, its failures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy counts only #[test] functions as tests, not their helpers"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use gatekeeper::physical::{self, Opinion, Picture, RelativeGoal, Settings};
use gatekeeper::refusal::Refusal;
use serde_json::{Value, json};

/// What the server does with the one request that it gets.
enum Reply {
    /// An HTTP status and a body.
    Body(u16, String),
    /// Nothing until the client gives up.
    Silence,
    /// A beginning, nothing then.
    Half(String),
    /// Closes the connection.
    Close,
}

/// A server for one request; its thread gives the request's body.
fn serve(reply: Reply) -> (String, JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        match reply {
            Reply::Body(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                // A client that has seen enough closes before all is written.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
            Reply::Half(body) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                    body.len() + 1
                );
                stream
                    .write_all(format!("{head}{body}").as_bytes())
                    .unwrap();
                wait_for_end(&mut stream);
            }
            Reply::Silence => wait_for_end(&mut stream),
            Reply::Close => {}
        }
        request
    });
    (url, thread)
}

fn wait_for_end(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 1]);
}

fn read_request(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        if let Ok(request) = serde_json::from_str(body) {
            return request;
        }
    }
}

fn ask(url: &str) -> Result<Opinion, Refusal> {
    let settings = Settings {
        url: url.to_owned(),
        model: "nvidia/Cosmos-Reason2-2B".into(),
        timeout: Duration::from_millis(500),
        min_confidence: 0.5,
    };
    let picture = Picture {
        encoding: "rgb8".into(),
        width: 8,
        height: 8,
        step: 24,
        data: vec![128; 192],
    };
    let goal = RelativeGoal {
        ahead: 1.0,
        left: 0.0,
        turn: 0.0,
    };
    physical::ask(&settings, &picture, goal)
}

fn answer_to(reply: Reply) -> Result<Opinion, Refusal> {
    let (url, server) = serve(reply);
    let answer = ask(&url);
    server.join().unwrap();
    answer
}

fn refusal_of(reply: Reply) -> Refusal {
    answer_to(reply).unwrap_err()
}

/// A chat completion as vLLM 0.11 and later give it.
fn completion(content: &str, finish_reason: &str) -> Reply {
    let message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": null, "audio": null,
                         "function_call": null, "tool_calls": [], "reasoning": null, "reasoning_content": null});
    let body = json!({"id": "chatcmpl-5f", "object": "chat.completion", "created": 1_764_000_000, "model": "m",
                      "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason,
                                   "stop_reason": null, "token_ids": null}],
                      "service_tier": null, "system_fingerprint": null, "prompt_logprobs": null,
                      "usage": {"prompt_tokens": 305, "total_tokens": 345, "completion_tokens": 40,
                                "prompt_tokens_details": null}});
    Reply::Body(200, body.to_string())
}

fn verdict(feasible: bool, confidence: f64) -> String {
    json!({"feasible": feasible, "confidence": confidence, "reason": "As seen."}).to_string()
}

#[test]
fn a_confident_yes_passes() {
    let (url, server) = serve(completion(&verdict(true, 0.9), "stop"));
    let opinion = ask(&url).unwrap();
    assert_eq!(opinion.reason, "As seen.");
    let request = server.join().unwrap();
    assert_eq!(request["model"], "nvidia/Cosmos-Reason2-2B");
    let content = &request["messages"][1]["content"];
    assert_eq!(content[0]["type"], "image_url", "the picture comes first");
    assert_eq!(content[1]["type"], "text");
}

#[test]
fn a_no_forbids_and_a_doubt_too() {
    let no = refusal_of(completion(&verdict(false, 0.9), "stop"));
    assert_eq!(no.code(), 9240);
    assert!(no.to_string().contains("As seen."));
    assert_eq!(
        refusal_of(completion(&verdict(true, 0.4), "stop")).code(),
        9241
    );
}

#[test]
fn silence_costs_the_time_out_and_no_more() {
    let begin = std::time::Instant::now();
    assert_eq!(refusal_of(Reply::Silence).code(), 9242);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        refusal_of(Reply::Half("{\"choices\": [".into())).code(),
        9242
    );
    assert_eq!(refusal_of(Reply::Close).code(), 9242);
}

#[test]
fn a_server_that_is_not_there_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(ask(&url).unwrap_err().code(), 9242);
    assert_eq!(ask("no address").unwrap_err().code(), 9242);
}

#[test]
fn errors_of_the_server_are_passed_on_with_status_and_text() {
    let new = |kind: &str, code: u16, text: &str| {
        json!({"error": {"message": text, "type": kind, "param": null, "code": code}}).to_string()
    };
    let too_long = "Input length (9000) exceeds model's maximum context length (8192).";
    let old = json!({"object": "error", "message": too_long, "type": "BadRequestError", "param": null, "code": 400});
    for (status, body, text) in [
        (400, new("BadRequestError", 400, too_long), too_long),
        (400, old.to_string(), too_long),
        (
            401,
            json!({"error": "Unauthorized"}).to_string(),
            "Unauthorized",
        ),
        (
            404,
            new("NotFoundError", 404, "The model `X` does not exist."),
            "does not exist",
        ),
        (500, new("InternalServerError", 500, "CUDA"), "CUDA"),
        (503, String::new(), "no text"),
        (302, "elsewhere".into(), "elsewhere"),
    ] {
        let refusal = refusal_of(Reply::Body(status, body));
        assert_eq!(refusal.code(), 9243, "{refusal}");
        let message = refusal.to_string();
        assert!(
            message.contains(&status.to_string()) && message.contains(text),
            "{message}"
        );
    }
}

#[test]
fn prose_a_cut_and_a_contradiction_are_told_apart() {
    assert_eq!(
        refusal_of(completion("Sure, go ahead.", "stop")).code(),
        9244
    );
    assert_eq!(
        refusal_of(completion(&verdict(true, 0.9), "length")).code(),
        9245
    );
    let both = format!("{}{}", verdict(true, 0.9), verdict(false, 0.9));
    assert_eq!(refusal_of(completion(&both, "stop")).code(), 9246);
    assert_eq!(
        refusal_of(Reply::Body(200, "<html>proxy</html>".into())).code(),
        9244
    );
}

#[test]
fn an_answer_without_end_is_not_read_to_the_end() {
    let refusal = refusal_of(completion(&" ".repeat(1 << 20), "stop"));
    assert_eq!(refusal.code(), 9247);
}

//! What goes over the wire: the head of a request, the kinds of requests, and the parts of a reply.

use zeromq::ZmqMessage;

/// The version of the protocol.
const PROTOCOL: u8 = 2;
/// How long the head of a request is: protocol, kind, and four bytes that tell requests apart.
const HEAD_LENGTH: usize = 6;

/// What a viewer can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestType {
    FullTree,
    Status,
    Blackboard,
    HookInsert,
    HookRemove,
    BreakpointUnlock,
    HooksDump,
    RemoveAllHooks,
    DisableAllHooks,
    ToggleRecording,
    GetTransitions,
}

impl RequestType {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'T' => Self::FullTree,
            b'S' => Self::Status,
            b'B' => Self::Blackboard,
            b'I' => Self::HookInsert,
            b'R' => Self::HookRemove,
            b'U' => Self::BreakpointUnlock,
            b'D' => Self::HooksDump,
            b'A' => Self::RemoveAllHooks,
            b'X' => Self::DisableAllHooks,
            b'r' => Self::ToggleRecording,
            b't' => Self::GetTransitions,
            _ => return None,
        })
    }
}

/// The head of a request. Its reply repeats it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestHeader {
    pub kind: RequestType,
    type_byte: u8,
    unique_id: [u8; 4],
}

impl RequestHeader {
    /// Errors: what the viewer is told.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Ok([_protocol, type_byte, unique_id @ ..]) = <[u8; HEAD_LENGTH]>::try_from(bytes)
        else {
            return Err("wrong request header".to_owned());
        };
        let kind = RequestType::from_byte(type_byte).ok_or("Request not recognized")?;
        Ok(Self {
            kind,
            type_byte,
            unique_id,
        })
    }

    /// A reply: this head and the tree's identity, then what was asked for if that has a part of its own.
    pub(super) fn reply(self, tree_id: [u8; 16], body: Option<Vec<u8>>) -> ZmqMessage {
        let mut head = vec![PROTOCOL, self.type_byte];
        head.extend(self.unique_id);
        head.extend(tree_id);
        let mut message = ZmqMessage::from(head);
        if let Some(body) = body {
            message.push_back(body.into());
        }
        message
    }
}

/// A reply that says what is wrong with a request.
pub(super) fn error_reply(text: String) -> ZmqMessage {
    let mut message = ZmqMessage::from("error");
    message.push_back(text.into_bytes().into());
    message
}

/// What subscribers hear when a node with a hook is reached.
pub(super) fn breakpoint_reached(node_uid: u16, unique_id: [u8; 4]) -> ZmqMessage {
    let mut head = vec![PROTOCOL, b'N'];
    head.extend(unique_id);
    let mut message = ZmqMessage::from(head);
    message.push_back(node_uid.to_string().into_bytes().into());
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

    use super::*;

    #[test]
    fn a_reply_repeats_the_head_of_its_request() {
        let header = RequestHeader::parse(&[1, b'S', 9, 8, 7, 6]).unwrap();
        assert_eq!(header.kind, RequestType::Status);
        let reply = header.reply([5; 16], Some(vec![4])).into_vec();
        let mut head = vec![2, b'S', 9, 8, 7, 6];
        head.extend([5; 16]);
        assert_eq!(reply, [head, vec![4]]);
    }

    #[test]
    fn a_malformed_head_is_refused() {
        for bytes in [
            &b""[..],
            &[2, b'S', 0, 0, 0],
            &[2, b'S', 0, 0, 0, 0, 0],
            &[2, b'?', 0, 0, 0, 0],
        ] {
            assert!(RequestHeader::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}

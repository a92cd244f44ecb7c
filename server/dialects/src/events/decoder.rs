//! Makes events of bytes: of an event stream, or of the one JSON document that servers send which ignore `stream`.

use super::sse::{Event, MAX_EVENT_BYTES, SseParser};

/// State between two pieces of the bytes.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
}

#[derive(Debug)]
enum Format {
    /// Nothing came yet that tells which of both it is.
    Unknown {
        /// The type said that it is an event stream.
        declared: bool,
    },
    Events(SseParser),
    Document(Vec<u8>),
}

impl Decoder {
    /// `None` for a type that can hold no answer.
    pub fn for_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let declared = essence == "text/event-stream";
        // Enough servers declare one and send the other that only the first byte can be believed.
        let possible = matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream" | "application/json");
        (declared || possible || essence.ends_with("+json")).then_some(Self { format: Format::Unknown { declared } })
    }

    /// It is a document and no stream of events.
    pub fn is_document(&self) -> bool {
        matches!(self.format, Format::Document(_))
    }

    /// The next event of `input`, which moves on to what was not looked at yet; `None` when more bytes are needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, String> {
        if let Format::Unknown { declared } = self.format {
            let Some(start) = input.iter().position(|byte| !is_blank(*byte)) else {
                *input = &[];
                return Ok(None);
            };
            *input = &input[start..];
            self.format = match input[0] {
                b'{' | b'[' => Format::Document(Vec::new()),
                // How the lines `data`, `event`, `id`, `retry` and a comment begin.
                b'd' | b'e' | b'i' | b'r' | b':' => Format::Events(SseParser::new(MAX_EVENT_BYTES)),
                _ if declared => Format::Events(SseParser::new(MAX_EVENT_BYTES)),
                _ => return Err("it is neither an event stream nor JSON".to_owned()),
            };
        }
        match &mut self.format {
            Format::Events(parser) => parser.next(input).map_err(|_| too_large()),
            Format::Document(document) if document.len() + input.len() > MAX_EVENT_BYTES => Err(too_large()),
            Format::Document(document) => {
                document.extend_from_slice(input);
                *input = &[];
                Ok(None)
            }
            Format::Unknown { .. } => Ok(None),
        }
    }

    /// What is left at the end of the bytes; to be asked until there is nothing.
    pub fn finish(&mut self) -> Option<Event> {
        match &mut self.format {
            Format::Events(parser) => parser.finish(),
            Format::Document(document) if !document.is_empty() => {
                Some(Event { is_error: false, data: std::mem::take(document) })
            }
            Format::Document(_) | Format::Unknown { .. } => None,
        }
    }
}

/// White space or a byte of the byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xEF | 0xBB | 0xBF)
}

fn too_large() -> String {
    format!("it sent an event larger than {} MiB", MAX_EVENT_BYTES / (1024 * 1024))
}

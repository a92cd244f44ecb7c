//! What the program brings along.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

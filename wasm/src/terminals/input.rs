//! Input for terminals, in order and in pieces.

use std::cell::RefCell;
use std::rc::Rc;

use coditect_protocol::TerminalId;
use coditect_protocol::call::{Reply, Request};
use coditect_protocol::terminal::TERMINAL_PIECE_BYTES;
use futures_channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use super::PerTerminal;
use crate::error::{ShellError, expect_reply};
use crate::link::Link;

/// Most input that waits for one terminal while some of it is under way, in bytes.
const MAX_WAITING_INPUT_BYTES: usize = 4 * 1024 * 1024;

type Written = oneshot::Sender<Result<(), ShellError>>;

/// Input of one terminal that waits until the piece before it has arrived. Pure.
#[derive(Debug, Default)]
struct Waiting {
    data: Vec<u8>,
    /// Who waits, each with how much of `data` goes up to the end of theirs.
    callers: Vec<(usize, Written)>,
    /// Bytes of the piece under way.
    under_way: usize,
}

impl Waiting {
    fn push(&mut self, data: &[u8], caller: Written) -> Result<(), ShellError> {
        if !self.data.is_empty() && self.data.len() + data.len() > MAX_WAITING_INPUT_BYTES {
            return Err(ShellError::TerminalFull);
        }
        self.data.extend_from_slice(data);
        self.callers.push((self.data.len(), caller));
        Ok(())
    }

    /// The piece to send next, of several callers where it holds them; `None` when nobody waits.
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        self.callers.first()?;
        self.under_way = self.data.len().min(TERMINAL_PIECE_BYTES);
        Some(self.data.iter().take(self.under_way).copied().collect())
    }

    /// The piece has arrived, or not. Where it has not, the rest of what its callers gave does not follow: half of a line is worse than
    /// none.
    fn settle(&mut self, outcome: &Result<(), ShellError>) {
        let mut gone = std::mem::take(&mut self.under_way);
        let touched = self.callers.iter().position(|(end, _)| *end >= gone);
        if outcome.is_err()
            && let Some((end, _)) = touched.and_then(|last| self.callers.get(last))
        {
            gone = *end;
        }
        self.data.drain(..gone);
        let settled = self.callers.iter().take_while(|(end, _)| *end <= gone).count();
        for (_, caller) in self.callers.drain(..settled) {
            // Whoever does not wait any more does not mind.
            let _ = caller.send(outcome.clone());
        }
        for (end, _) in &mut self.callers {
            *end -= gone;
        }
    }
}

/// Keeps the order of input: one piece for each terminal is under way, what comes meanwhile follows together.
pub(crate) struct TerminalWriters {
    link: Rc<Link>,
    /// Terminals with a write under way.
    waiting: RefCell<PerTerminal<Waiting>>,
}

impl TerminalWriters {
    /// Over this link.
    pub(crate) fn new(link: Rc<Link>) -> Self {
        Self { link, waiting: RefCell::default() }
    }

    /// Writes after what was written before; answers when all of it has arrived.
    pub(super) async fn write(self: &Rc<Self>, terminal: TerminalId, data: &[u8]) -> Result<(), ShellError> {
        let (sender, written) = oneshot::channel();
        let (is_idle, pushed) = self.waiting.borrow_mut().change(terminal, |waiting| waiting.push(data, sender));
        pushed?;
        if is_idle {
            spawn_local(Rc::clone(self).drain(terminal));
        }
        written.await.unwrap_or(Err(ShellError::Interrupted))
    }

    async fn drain(self: Rc<Self>, terminal: TerminalId) {
        while let Some(data) = self.next_piece(terminal) {
            let outcome = self.link.call(Request::WriteTerminal { terminal, data }).await;
            let outcome = outcome.and_then(|reply| expect_reply!(reply, Reply::Done => ()));
            if let Some(waiting) = self.waiting.borrow_mut().get(terminal) {
                waiting.settle(&outcome);
            }
        }
    }

    /// What is next; forgets the terminal when nothing is.
    fn next_piece(&self, terminal: TerminalId) -> Option<Vec<u8>> {
        let mut all = self.waiting.borrow_mut();
        let piece = all.get(terminal)?.next_piece();
        if piece.is_none() {
            all.forget(terminal);
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Receiver = oneshot::Receiver<Result<(), ShellError>>;

    fn push(waiting: &mut Waiting, data: &[u8]) -> Receiver {
        let (sender, receiver) = oneshot::channel();
        waiting.push(data, sender).unwrap();
        receiver
    }

    /// `None` while it waits.
    fn outcome(receiver: &mut Receiver) -> Option<bool> {
        receiver.try_recv().unwrap().map(|outcome| outcome.is_ok())
    }

    #[test]
    fn a_large_paste_goes_in_pieces_and_in_order() {
        let mut waiting = Waiting::default();
        let paste: Vec<u8> = (0..5 * TERMINAL_PIECE_BYTES as u32 + 7).map(|n| n as u8).collect();
        let mut pasted = push(&mut waiting, &paste);
        let mut arrived = Vec::new();
        let mut typed = None;
        while let Some(piece) = waiting.next_piece() {
            assert!(piece.len() <= TERMINAL_PIECE_BYTES);
            arrived.extend(piece);
            typed.get_or_insert_with(|| push(&mut waiting, b"typed"));
            assert_eq!(outcome(&mut pasted), None);
            waiting.settle(&Ok(()));
        }
        assert_eq!(arrived, [paste.as_slice(), b"typed"].concat());
        assert_eq!(outcome(&mut pasted), Some(true));
        assert_eq!(outcome(&mut typed.unwrap()), Some(true));
    }

    #[test]
    fn what_fails_reaches_those_whose_input_is_lost_and_nobody_else() {
        let mut waiting = Waiting::default();
        let mut first = push(&mut waiting, b"ab");
        assert_eq!(waiting.next_piece().unwrap(), b"ab");
        waiting.settle(&Ok(()));
        assert_eq!(outcome(&mut first), Some(true));
        let mut large = push(&mut waiting, &vec![b'x'; TERMINAL_PIECE_BYTES + 1]);
        waiting.next_piece().unwrap();
        let mut later = push(&mut waiting, b"cd");
        waiting.settle(&Err(ShellError::Interrupted));
        assert_eq!(outcome(&mut large), Some(false));
        // The rest of the lost one is not sent; what came after it is.
        assert_eq!(outcome(&mut later), None);
        assert_eq!(waiting.next_piece().unwrap(), b"cd");
        waiting.settle(&Ok(()));
        assert_eq!(outcome(&mut later), Some(true));
        assert!(waiting.next_piece().is_none());
    }

    #[test]
    fn nothing_at_all_arrives_too() {
        let mut waiting = Waiting::default();
        let mut nothing = push(&mut waiting, b"");
        assert_eq!(waiting.next_piece().unwrap(), b"");
        waiting.settle(&Ok(()));
        assert_eq!(outcome(&mut nothing), Some(true));
        assert!(waiting.next_piece().is_none());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut waiting = Waiting::default();
        let _first = push(&mut waiting, &vec![0; MAX_WAITING_INPUT_BYTES]);
        waiting.next_piece().unwrap();
        assert!(matches!(waiting.push(b"x", oneshot::channel().0), Err(ShellError::TerminalFull)));
    }
}

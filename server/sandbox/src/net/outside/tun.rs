//! The device through which all packets of a sandbox come and go.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::net::{MTU, PACKET_INFO_BYTES};

/// Says of a packet to the kernel: the checksum at this place of it is not computed. It then trusts the packet, as it
/// does with those of a local interface.
const NEEDS_CHECKSUM: u8 = 1;
/// Bytes of the IPv4 header of the packets that are sent: without options.
const IP_HEADER_BYTES: u16 = 20;

/// What the kernel is told of a packet's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    /// It is in the packet, or the packet says that it has none.
    Done,
    /// That of TCP is left out.
    TcpLeftOut,
}

/// The device.
#[derive(Debug)]
pub(super) struct Tun {
    file: AsyncFd<OwnedFd>,
}

thread_local! {
    /// Where a packet is put together before it is written. It is on no stack, and no connection keeps one.
    static PACKET: RefCell<Vec<u8>> = RefCell::new(vec![0; PACKET_INFO_BYTES + MTU]);
}

impl Tun {
    /// Takes over the device, whose descriptor must not block.
    pub(super) fn new(file: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::NONBLOCK)?;
        #[expect(
            unsafe_code,
            reason = "a descriptor that changed while it is registered would be watched in place of another"
        )]
        // SAFETY: an owned descriptor is the same for as long as it lives, which is as long as the registration.
        let file = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE)? };
        Ok(Self { file })
    }

    /// Waits for a packet and reads it. What the kernel says of it is not looked at: its checksums may be left out.
    pub(super) async fn read<'b>(&self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let length = self.file.async_io(Interest::READABLE, |file| Ok(rustix::io::read(file, &mut *buffer)?)).await?;
        packet_of(&buffer[..length])
    }

    /// Reads a packet, if there is one.
    pub(super) fn try_read<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match rustix::io::read(self.file.get_ref(), &mut *buffer) {
            Ok(length) => packet_of(&buffer[..length]).map(Some),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a packet together in place and sends it. A packet that the kernel has no room for is lost, as packets may
    /// be.
    pub(super) fn write<R>(&self, length: usize, checksum: Checksum, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        PACKET.with_borrow_mut(|buffer| {
            let whole = &mut buffer[..PACKET_INFO_BYTES + length.min(MTU)];
            let (info, packet) = whole.split_at_mut(PACKET_INFO_BYTES);
            info.fill(0);
            if checksum == Checksum::TcpLeftOut {
                // Flags, and then where the checksummed part starts and where in it the sum would be.
                info[0] = NEEDS_CHECKSUM;
                info[6..8].copy_from_slice(&IP_HEADER_BYTES.to_ne_bytes());
                info[8..10].copy_from_slice(&TCP_CHECKSUM_AT.to_ne_bytes());
            }
            let result = fill(packet);
            if let Err(error) = rustix::io::write(self.file.get_ref(), whole) {
                tracing::trace!(%error, "a packet to a sandbox was lost");
            }
            result
        })
    }
}

/// The packet of what was read. A device that ended would have nothing to read, at once and always.
fn packet_of(read: &[u8]) -> io::Result<&[u8]> {
    if read.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(read.get(PACKET_INFO_BYTES..).unwrap_or_default())
}

/// Place of the checksum in a TCP header.
const TCP_CHECKSUM_AT: u16 = 16;

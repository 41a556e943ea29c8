//! Frames on their way to the library, which relies on sizes that make sense.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Refused;

/// The largest frame, as at Azure.
pub(super) const LARGEST_FRAME: u32 = 64 * 1024;

/// The start of a protocol header; a frame of that size would be too large.
const HEADER: [u8; 4] = *b"AMQP";

/// Passes protocol headers and frames on, each whole, until the stream ends. A size that no frame has ends it with the
/// reason (AMQP 1.0, section 2.3.1).
pub(super) async fn forward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Refused> {
    let mut frame = vec![0; 8];
    loop {
        // A header is as long as the fixed part of a frame.
        frame.resize(8, 0);
        if from.read_exact(&mut frame).await.is_err() {
            return Ok(());
        }
        let (start, offset) = ([frame[0], frame[1], frame[2], frame[3]], frame[4]);
        if start != HEADER {
            let size = u32::from_be_bytes(start);
            if !(8..=LARGEST_FRAME).contains(&size) {
                let text = format!("a frame claims to have {size} bytes; it has 8 to {LARGEST_FRAME}");
                return Err(Refused::protocol(text));
            }
            if offset < 2 || u32::from(offset) * 4 > size {
                let text = format!("a frame of {size} bytes claims that its body begins at {offset} words");
                return Err(Refused::protocol(text));
            }
            frame.resize(size as usize, 0);
            if from.read_exact(&mut frame[8..]).await.is_err() {
                return Ok(());
            }
        }
        if to.write_all(&frame).await.is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn check(bytes: &[u8], passed: &[u8], refused: Option<&str>) {
        let mut to = Vec::new();
        let outcome = forward(&mut &bytes[..], &mut to).await;
        assert_eq!(to, passed);
        match (outcome, refused) {
            (Ok(()), None) => {}
            (Err(why), Some(text)) => assert!(why.text.contains(text), "{}", why.text),
            (outcome, refused) => panic!("{outcome:?}, not {refused:?}"),
        }
    }

    #[tokio::test]
    async fn headers_and_frames_pass_and_sizes_that_none_has_do_not() {
        let header = *b"AMQP\x00\x01\x00\x00";
        let empty = [0, 0, 0, 8, 2, 0, 0, 0];
        let body = [0, 0, 0, 9, 2, 0, 0, 0, 0x40];
        let all = [&header[..], &empty, &body].concat();
        check(&all, &all, None).await;
        check(&[&all[..], &body[..8]].concat(), &all, None).await;
        check(&all[..7], &[], None).await;
        for size in [0, 4, 7, 65_537, u32::MAX] {
            let frame = [&size.to_be_bytes()[..], &[2, 0, 0, 0]].concat();
            check(&[&header[..], &frame].concat(), &header, Some("claims to have")).await;
        }
        for offset in [0, 1, 3, 255] {
            check(&[0, 0, 0, 9, offset, 0, 0, 0, 0x40], &[], Some("words")).await;
        }
    }
}

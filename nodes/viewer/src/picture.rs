//! Camera pictures as JPEG, made on a thread of their own.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use report::frame_picture;
use wire::messages::ImageView;

use crate::event::{Event, What};
use crate::queue::{Input, queue};

/// At 640x480 about 30 KB a picture.
const JPEG_QUALITY: u8 = 70;

/// The way in, and the thread, which ends when the way in is dropped.
pub type Pictures = (Input<Vec<u8>>, JoinHandle<()>);

/// Starts the thread. Put in camera pictures as they come from ROS (CDR `sensor_msgs/Image`); while one is being made,
/// the newest waits and older ones are dropped.
///
/// # Errors
/// When no thread can be started.
pub fn start(show: impl Fn(Arc<Event>) + Send + 'static) -> anyhow::Result<Pictures> {
    let (input, output) = queue::<Vec<u8>>(1);
    let thread = thread::Builder::new()
        .name("jpeg".to_owned())
        .spawn(move || {
            for payload in output {
                match jpeg(&payload) {
                    Ok(event) => show(Arc::new(event)),
                    Err(error) => tracing::warn!("camera picture dropped: {error:#}"),
                }
            }
        })
        .context("cannot start a thread")?;
    Ok((input, thread))
}

fn jpeg(payload: &[u8]) -> anyhow::Result<Event> {
    let frame = ImageView::read(payload)?;
    let picture = frame_picture::to_rgb(&frame)?;
    let mut bytes = Vec::with_capacity(64 << 10);
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(
        picture.as_raw(),
        picture.width(),
        picture.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(Event {
        stamp: frame.header.stamp.as_nanos(),
        what: What::Picture(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use wire::Stamp;
    use wire::messages::ImageHeader;

    fn picture(encoding: &str) -> Vec<u8> {
        let data: Vec<u8> = (0..640 * 480 * 3_u32).map(|i| (i / 640) as u8).collect();
        let header = ImageHeader {
            stamp: Stamp { sec: 3, nanosec: 5 },
            frame_id: "camera",
            height: 480,
            width: 640,
            encoding,
            is_bigendian: false,
            step: 1920,
            data: 0..0,
        };
        ImageView {
            header,
            data: &data,
        }
        .to_cdr(true)
    }

    #[test]
    fn pictures_come_out_as_jpeg_with_their_stamp_and_what_is_none_is_passed_over() {
        let (sender, events) = mpsc::channel();
        let (input, thread) =
            start(move |event| sender.send(event).expect("the test listens")).expect("a thread");
        // Waiting for each answer keeps the queue of one from dropping the next.
        for payload in [b"nonsense".to_vec(), picture("16UC1")] {
            input.push(payload);
            while !input.is_empty() {
                thread::yield_now();
            }
        }
        input.push(picture("rgb8"));
        let event = events.recv().expect("a picture");
        assert_eq!(event.stamp, 3_000_000_005);
        let What::Picture(bytes) = &event.what else {
            panic!("{event:?} is no picture");
        };
        let decoded = image::load_from_memory(bytes).expect("a JPEG");
        assert_eq!((decoded.width(), decoded.height()), (640, 480));
        drop(input);
        thread.join().expect("the thread ends with its input");
    }
}

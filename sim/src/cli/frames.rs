//! `sim frames`: labelled pictures.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use sim::CLASSES;
use sim::frames::FrameMaker;
use sim::render::Camera;
use sim::surfaces;

/// Writes `NNNNNN.jpg` and `NNNNNN.txt` (YOLO labels) for each picture, `classes.txt`, and `boxes.csv` with what is hidden.
#[derive(Debug, Args)]
pub struct Frames {
    /// Decides every picture.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many pictures.
    #[arg(long)]
    count: u64,
    /// The number of the first one, to go on with a set; a multiple of 10.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
    /// Width and height in pixels.
    #[arg(long, default_value = "640x480", value_parser = parse_size)]
    size: (usize, usize),
    /// Which kinds of walls and floors are used.
    #[arg(long, value_enum, default_value_t = Textures::Training)]
    textures: Textures,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Textures {
    /// Those for training.
    Training,
    /// Those kept for tests: none of them is among the former.
    HeldOut,
    /// Both.
    All,
}

impl Frames {
    pub fn run(self) -> anyhow::Result<PathBuf> {
        let families = match self.textures {
            Textures::Training => surfaces::Families::Training,
            Textures::HeldOut => surfaces::Families::HeldOut,
            Textures::All => surfaces::Families::All,
        };
        let out = &self.out;
        fs::create_dir_all(out)
            .with_context(|| format!("cannot create the folder {}", out.display()))?;
        let write = |name: String, text: &str| {
            let path = out.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("classes.txt".to_owned(), &(CLASSES.join("\n") + "\n"))?;
        let camera = Camera::ROBOT.resized(self.size.0, self.size.1);
        let mut maker = FrameMaker::new(self.seed, families, camera, self.first);
        let mut boxes = "image,class,left,upper,right,lower,pixels,visible\n".to_owned();
        for number in self.first..self.first + self.count {
            let frame = maker.next_frame();
            let mut lines = String::new();
            for label in &frame.labels {
                lines += &label.yolo_line(&camera);
                lines.push('\n');
                let [left, upper, right, lower] = label.seen.corners;
                let (class, pixels, visible) =
                    (CLASSES[label.class], label.seen.pixels, label.visible);
                writeln!(
                    boxes,
                    "{number:06},{class},{left},{upper},{right},{lower},{pixels},{visible:.3}"
                )?;
            }
            write(format!("{number:06}.txt"), &lines)?;
            let path = out.join(format!("{number:06}.jpg"));
            let file =
                File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            let (width, height) = (camera.width as u32, camera.height as u32);
            JpegEncoder::new_with_quality(BufWriter::new(file), 90)
                .encode(&frame.rgb, width, height, ExtendedColorType::Rgb8)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        write("boxes.csv".to_owned(), &boxes)?;
        Ok(self.out)
    }
}

fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let parts = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match parts {
        Some((width, height)) if (16..=4096).contains(&width) && (16..=4096).contains(&height) => {
            Ok((width, height))
        }
        _ => Err("give width and height in pixels, 16 to 4096, such as 640x480".to_owned()),
    }
}

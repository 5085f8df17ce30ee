//! `detector image`: what photos show.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use image::RgbImage;
use serde::Serialize;

use super::{EXIT_BAD_INPUT, Limits, ModelArgs, print_line};
use crate::annotate;
use crate::encoding::PixelOrder;
use crate::photo;
use crate::pipeline::Pipeline;
use crate::rows::Picture;

/// Print what photos show: for each, class, confidence and box in the photo's own pixels, highest confidence first.
#[derive(Debug, Args)]
pub struct Image {
    /// Photos, JPEG or PNG.
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Print one JSON document: for one photo its detections, for several an object of them by path.
    #[arg(long)]
    pub json: bool,
    /// Write the photo with its boxes to this file; for one photo only.
    #[arg(long, value_name = "OUT.png")]
    annotate: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    limits: Limits,
}

/// A detection as it is printed.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Name of the class.
    pub class: String,
    /// Its index.
    pub class_id: usize,
    /// 0 to 1.
    pub confidence: f32,
    /// x1, y1, x2, y2 in the photo's pixels.
    pub bbox: [f32; 4],
}

/// What one photo of several is answered with.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Seen(Vec<Seen>),
    Unread { error: String },
}

/// Does what `args` say.
///
/// # Errors
/// When the model cannot be loaded, or the only photo cannot be read.
pub fn run(args: &Image) -> Result<ExitCode> {
    if args.annotate.is_some() && args.photos.len() > 1 {
        anyhow::bail!(
            "--annotate is for one photo, {} were given",
            args.photos.len()
        );
    }
    let mut pipeline = Pipeline::new(args.model.load()?, args.limits.thresholds());
    if let [photo] = &args.photos[..] {
        let (pixels, seen) = detect(&mut pipeline, photo)?;
        if let Some(out) = &args.annotate {
            annotate::write(pixels, &seen, out)?;
        }
        if args.json {
            print_line(serde_json::to_string(&seen)?)?;
        } else {
            print_lines(&seen)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut document = BTreeMap::new();
    let mut all_read = true;
    for photo in &args.photos {
        let result = detect(&mut pipeline, photo);
        all_read &= result.is_ok();
        match result {
            Ok((_, seen)) if args.json => {
                document.insert(photo.display().to_string(), Answer::Seen(seen));
            }
            Ok((_, seen)) => {
                print_line(format_args!("{}:", photo.display()))?;
                print_lines(&seen)?;
            }
            Err(error) if args.json => {
                let error = format!("{error:#}");
                document.insert(photo.display().to_string(), Answer::Unread { error });
            }
            Err(error) => eprintln!("error: {error:#}"),
        }
    }
    if args.json {
        print_line(serde_json::to_string(&document)?)?;
    }
    Ok(if all_read {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_BAD_INPUT)
    })
}

fn detect(pipeline: &mut Pipeline, path: &Path) -> Result<(RgbImage, Vec<Seen>)> {
    let of_photo = || path.display().to_string();
    let pixels = photo::read(path).with_context(of_photo)?;
    let (width, height) = pixels.dimensions();
    let picture = Picture::from_pixels(pixels.as_raw(), width, height, PixelOrder::Rgb)
        .with_context(of_photo)?;
    let mut found = Vec::new();
    pipeline
        .detect(&picture, |one| found.push(one))
        .with_context(of_photo)?;
    let names = &pipeline.info().class_names;
    let seen = found.into_iter().map(|one| Seen {
        class: names.get(one.class).cloned().unwrap_or_default(),
        class_id: one.class,
        confidence: one.confidence,
        bbox: one.bbox,
    });
    let seen = seen.collect();
    Ok((pixels, seen))
}

fn print_lines(seen: &[Seen]) -> Result<()> {
    for Seen {
        class,
        confidence,
        bbox: [x1, y1, x2, y2],
        ..
    } in seen
    {
        print_line(format_args!(
            "{class} {confidence:.2} at {x1:.1} {y1:.1} {x2:.1} {y2:.1}"
        ))?;
    }
    if seen.is_empty() {
        print_line("nothing")?;
    }
    Ok(())
}

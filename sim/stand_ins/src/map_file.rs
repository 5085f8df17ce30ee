//! Reads a map as Nav2's map server saves it: a `.yaml` file that names an image (`.pgm` or `.png`).

use crate::geometry::Point;
use crate::occupancy::{Cell, OccupancyMap};
use image::GrayImage;
use saphyr::{LoadableYamlNode, MarkedYaml};
use std::path::{Path, PathBuf};

/// Why a map could not be read. Each message names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum MapFileError {
    /// The file is not there or may not be read.
    #[error("cannot read map file {path}: {source}")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{path}:{line}: not valid YAML: {message}")]
    NotYaml {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A field is missing or holds something else than it should.
    #[error("{path}:{line}: {problem}; a map file looks as Nav2's map_saver writes it")]
    BadField {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Which field, what it has to be and what it is.
        problem: String,
    },
    /// The image is missing or broken.
    #[error(
        "cannot read map image {image}, which {path} names: {source}; give a .pgm or .png file beside the map file"
    )]
    BadImage {
        /// The map file.
        path: PathBuf,
        /// The image it names.
        image: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
}

/// Reads the map file at `path` and the image it names (relative to the map file's folder).
///
/// # Errors
/// When a file cannot be read, a field is missing or wrong, or the map is turned (`origin` with a yaw): Nav2 ignores
/// such a turn, so that a map with one would be used in a wrong way without a word.
pub fn read_map(path: &Path) -> Result<OccupancyMap, MapFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| MapFileError::Unreadable {
        path: path.into(),
        source,
    })?;
    let fields = Fields::parse(path, &text)?;
    let [x, y, yaw] = fields.triple("origin")?;
    if yaw.abs() > 1e-6 {
        return Err(fields.wrong(
            "origin",
            format!("`origin` has a yaw of {yaw}, and turned maps are not supported: turn the image instead"),
        ));
    }
    let resolution = fields.number("resolution")?;
    if !(resolution > 0.0 && resolution.is_finite()) {
        return Err(fields.wrong(
            "resolution",
            format!("`resolution` has to be a length in m above 0, got {resolution}"),
        ));
    }
    let mode = fields.text("mode").unwrap_or_else(|_| "trinary".into());
    if mode != "trinary" {
        return Err(fields.wrong("mode", format!("`mode` has to be trinary, got {mode}")));
    }
    let thresholds = Thresholds {
        negate: fields.number("negate").unwrap_or(0.0) != 0.0,
        occupied: fields.number("occupied_thresh").unwrap_or(0.65),
        free: fields.number("free_thresh").unwrap_or(0.25),
    };
    let image_path = path
        .parent()
        .unwrap_or(Path::new("."))
        .join(fields.text("image")?);
    let image = image::open(&image_path).map_err(|source| MapFileError::BadImage {
        path: path.into(),
        image: image_path.clone(),
        source,
    })?;
    Ok(to_map(
        &image.into_luma8(),
        &thresholds,
        resolution,
        Point::new(x, y),
    ))
}

struct Thresholds {
    negate: bool,
    occupied: f64,
    free: f64,
}

fn to_map(
    image: &GrayImage,
    thresholds: &Thresholds,
    resolution: f64,
    origin: Point,
) -> OccupancyMap {
    let cell = |shade: u8| {
        let light = f64::from(shade) / 255.0;
        let occupancy = if thresholds.negate {
            light
        } else {
            1.0 - light
        };
        if occupancy > thresholds.occupied {
            Cell::Occupied
        } else if occupancy < thresholds.free {
            Cell::Free
        } else {
            Cell::Unknown
        }
    };
    OccupancyMap {
        width: image.width() as usize,
        height: image.height() as usize,
        resolution,
        origin,
        // The image's first row is the map's highest y.
        cells: image
            .rows()
            .rev()
            .flat_map(|row| row.map(|pixel| cell(pixel.0[0])))
            .collect(),
    }
}

/// The top-level mapping of a map file, with line numbers for errors.
struct Fields<'a> {
    path: &'a Path,
    root: MarkedYaml<'a>,
}

impl<'a> Fields<'a> {
    fn parse(path: &'a Path, text: &'a str) -> Result<Self, MapFileError> {
        let mut documents =
            MarkedYaml::load_from_str(text).map_err(|error| MapFileError::NotYaml {
                path: path.into(),
                line: error.marker().line(),
                message: error.info().into(),
            })?;
        if documents.is_empty() {
            return Err(MapFileError::BadField {
                path: path.into(),
                line: 1,
                problem: "the file is empty".into(),
            });
        }
        Ok(Self {
            path,
            root: documents.swap_remove(0),
        })
    }

    fn find(&self, name: &str) -> Result<&MarkedYaml<'a>, MapFileError> {
        self.root
            .data
            .as_mapping_get(name)
            .ok_or_else(|| self.wrong(name, format!("`{name}` is missing")))
    }

    fn wrong(&self, name: &str, problem: String) -> MapFileError {
        let node = self.root.data.as_mapping_get(name).unwrap_or(&self.root);
        MapFileError::BadField {
            path: self.path.into(),
            line: node.span.start.line(),
            problem,
        }
    }

    fn number(&self, name: &str) -> Result<f64, MapFileError> {
        as_number(self.find(name)?)
            .ok_or_else(|| self.wrong(name, format!("`{name}` has to be a number")))
    }

    fn text(&self, name: &str) -> Result<String, MapFileError> {
        self.find(name)?
            .data
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(name, format!("`{name}` has to be a text")))
    }

    fn triple(&self, name: &str) -> Result<[f64; 3], MapFileError> {
        self.find(name)?
            .data
            .as_vec()
            .and_then(|items| {
                let numbers: Option<Vec<f64>> = items.iter().map(as_number).collect();
                numbers?.try_into().ok()
            })
            .ok_or_else(|| self.wrong(name, format!("`{name}` has to be [x, y, yaw] in m and rad")))
    }
}

/// A number, or the 0/1 that older map savers write as `true` and `false`.
fn as_number(node: &MarkedYaml<'_>) -> Option<f64> {
    node.data
        .as_floating_point()
        .or_else(|| node.data.as_integer().map(|value| value as f64))
        .or_else(|| node.data.as_bool().map(|value| f64::from(u8::from(value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder_with(yaml: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        // Two rows: black, white, grey above white, white, black.
        fs::write(
            folder.path().join("map.pgm"),
            b"P5\n# made by hand\n3 2\n255\n\x00\xfe\xcd\xfe\xfe\x00",
        )
        .unwrap();
        let path = folder.path().join("map.yaml");
        fs::write(&path, yaml).unwrap();
        (folder, path)
    }

    #[test]
    fn reads_what_map_saver_writes() {
        let (_folder, path) = folder_with(
            "image: map.pgm\nmode: trinary\nresolution: 0.05\norigin: [-1.5, 2, 0]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n",
        );
        let map = read_map(&path).unwrap();
        assert_eq!(
            (map.width, map.height, map.origin),
            (3, 2, Point::new(-1.5, 2.0))
        );
        assert_eq!(
            map.cells,
            [
                Cell::Free,
                Cell::Free,
                Cell::Occupied,
                Cell::Occupied,
                Cell::Free,
                Cell::Unknown
            ]
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let cases = [
            (
                "image: map.pgm\nresolution: five\norigin: [0, 0, 0]\n",
                "map.yaml:2: `resolution` has to be a number",
            ),
            (
                "image: map.pgm\nresolution: 0.05\norigin: [0, 0]\n",
                "map.yaml:3: `origin` has to be [x, y, yaw]",
            ),
            (
                "image: map.pgm\nresolution: 0.05\norigin: [0, 0, 1.57]\n",
                "map.yaml:3: `origin` has a yaw of 1.57",
            ),
            (
                "resolution: 0.05\norigin: [0, 0, 0]\n",
                "`image` is missing",
            ),
            (
                "image: none.pgm\nresolution: 0.05\norigin: [0, 0, 0]\n",
                "none.pgm",
            ),
            ("image: [unclosed\n", "not valid YAML"),
            ("", "the file is empty"),
        ];
        for (yaml, expected) in cases {
            let (_folder, path) = folder_with(yaml);
            let message = read_map(&path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
        let message = read_map(Path::new("/no/such/map.yaml"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/no/such/map.yaml"), "{message}");
    }
}

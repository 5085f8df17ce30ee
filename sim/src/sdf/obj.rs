//! Meshes as Wavefront OBJ: `v`, `vt`, `vn` and `f`. Materials come from the SDF file.

use std::collections::HashMap;
use std::fmt::Write as _;

use nalgebra::Vector3;

use crate::mesh::{Mesh, Vertex};

/// The mesh as OBJ text.
pub fn to_text(mesh: &Mesh) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for Vertex {
        position: [x, y, z],
        normal: [a, b, c],
        uv: [u, v],
    } in &mesh.vertices
    {
        // OBJ counts v from the lower edge. In double precision the difference is exact.
        let _ = writeln!(
            text,
            "v {x} {y} {z}\nvt {} {}\nvn {a} {b} {c}",
            f64::from(*u),
            1.0 - f64::from(*v)
        );
    }
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(|i| i + 1);
        let _ = writeln!(text, "f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}");
    }
    text
}

/// A corner as a face names it: indices of position, texture place and normal.
type Corner = (usize, Option<usize>, Option<usize>);

/// Reads OBJ text; an error is a line number and what is wrong there.
pub fn from_text(name: &str, text: &str) -> Result<Mesh, (u32, String)> {
    let (mut positions, mut places, mut normals) = (Vec::new(), Vec::new(), Vec::new());
    let mut faces: Vec<[Corner; 3]> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = |problem: String| (index as u32 + 1, problem);
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => positions.push(numbers::<3>(words).map_err(at)?.map(|n| n as f32)),
            Some("vn") => normals.push(numbers::<3>(words).map_err(at)?.map(|n| n as f32)),
            Some("vt") => {
                let [u, v] = numbers::<2>(words).map_err(at)?;
                places.push([u as f32, (1.0 - v) as f32]);
            }
            Some("f") => {
                let counts = (positions.len(), places.len(), normals.len());
                let corners: Vec<Corner> = words
                    .map(|word| corner(word, counts))
                    .collect::<Result<_, _>>()
                    .map_err(at)?;
                if corners.len() < 3 {
                    return Err(at("a face needs three corners or more".to_owned()));
                }
                faces.extend(
                    corners
                        .windows(2)
                        .skip(1)
                        .map(|pair| [corners[0], pair[0], pair[1]]),
                );
            }
            // Names, groups, smoothing and materials change no shape.
            Some("o" | "g" | "s" | "usemtl" | "mtllib") | None => {}
            Some(word) if word.starts_with('#') => {}
            Some(word) => return Err(at(format!("`{word}` is not supported"))),
        }
    }
    Ok(assemble(name, &positions, &places, &normals, &faces))
}

fn assemble(
    name: &str,
    positions: &[[f32; 3]],
    places: &[[f32; 2]],
    normals: &[[f32; 3]],
    faces: &[[Corner; 3]],
) -> Mesh {
    let mut mesh = Mesh {
        name: name.to_owned(),
        ..Mesh::default()
    };
    let vertex = |corner: Corner, flat: [f32; 3]| Vertex {
        position: positions[corner.0],
        uv: corner.1.map_or([0.0; 2], |i| places[i]),
        normal: corner.2.map_or(flat, |i| normals[i]),
    };
    // Where each position has a place and a normal of its own, the corners are the file's, in its order.
    let paired = positions.len() == places.len() && positions.len() == normals.len();
    if paired
        && faces
            .iter()
            .flatten()
            .all(|&(p, t, n)| Some(p) == t && Some(p) == n)
    {
        mesh.vertices = (0..positions.len())
            .map(|i| vertex((i, Some(i), Some(i)), [0.0; 3]))
            .collect();
        mesh.triangles = faces
            .iter()
            .map(|face| face.map(|(p, _, _)| p as u32))
            .collect();
        return mesh;
    }
    let mut known: HashMap<(Corner, [u32; 3]), u32> = HashMap::new();
    for face in faces {
        let [a, b, c] = face.map(|corner| Vector3::from(positions[corner.0]));
        let flat: [f32; 3] = (b - a)
            .cross(&(c - a))
            .try_normalize(1e-12)
            .unwrap_or_else(Vector3::z)
            .into();
        let triangle = face.map(|corner| {
            *known
                .entry((corner, flat.map(f32::to_bits)))
                .or_insert_with(|| {
                    mesh.vertices.push(vertex(corner, flat));
                    mesh.vertices.len() as u32 - 1
                })
        });
        mesh.triangles.push(triangle);
    }
    mesh
}

fn numbers<const N: usize>(words: std::str::SplitWhitespace) -> Result<[f64; N], String> {
    let values: Vec<f64> = words
        .take(N)
        .map(|word| match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(format!("`{word}` is not a number")),
        })
        .collect::<Result<_, _>>()?;
    values
        .try_into()
        .map_err(|_| format!("{N} numbers are needed"))
}

fn corner(
    word: &str,
    (positions, places, normals): (usize, usize, usize),
) -> Result<Corner, String> {
    let mut parts = word.split('/');
    let mut index = |count: usize| match parts.next() {
        None | Some("") => Ok(None),
        Some(part) => match part.parse::<usize>() {
            Ok(i) if (1..=count).contains(&i) => Ok(Some(i - 1)),
            _ => Err(format!(
                "`{part}` in `{word}` is not the number of something above, from 1"
            )),
        },
    };
    let position = index(positions)?.ok_or_else(|| format!("`{word}` names no position"))?;
    Ok((position, index(places)?, index(normals)?))
}

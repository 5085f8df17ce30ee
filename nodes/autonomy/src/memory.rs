//! What has been seen of the wanted class on all ways so far, by place in the map.
//!
//! A thing that the detector is hardly sure of, and one that is only driven past, may be the object all the same. A thing that
//! was looked at again and was not it need not be looked at a third time.

use nalgebra::Point3;

use crate::vision::{Look, Sighting};

/// From viewpoints closer to each other than this a thing looks the same, m.
const SAME_VIEWPOINT_M: f64 = 0.3;
/// Places that are remembered; the least likely is forgotten first.
const PLACES_KEPT: usize = 64;

/// Things that may be the object.
#[derive(Debug, Default)]
pub struct Memory {
    places: Vec<Place>,
}

/// A place where something was seen.
#[derive(Debug)]
struct Place {
    /// The surest sighting of it.
    best: Sighting,
    /// The camera at the newest one, in `map`, and the highest confidence from about there.
    viewpoint: (Point3<f64>, f32),
    /// The highest confidence from each viewpoint, added up.
    likelihood: f32,
    /// It was looked at again, and was not the object.
    dismissed: bool,
}

impl Memory {
    /// Takes in what a frame shows.
    pub fn add(&mut self, look: &Look) {
        for sighting in &look.sightings {
            match self.place_of(sighting) {
                Some(place) => place.add(sighting),
                None => self.insert(sighting),
            }
        }
    }

    /// Whether what is there was looked at again, and was not the object.
    pub fn is_dismissed(&self, sighting: &Sighting) -> bool {
        self.places
            .iter()
            .any(|place| place.dismissed && place.best.is_near(sighting))
    }

    /// What is there was looked at again, and is not the object.
    pub fn dismiss(&mut self, sighting: &Sighting) {
        if self.place_of(sighting).is_none() {
            self.insert(sighting);
        }
        if let Some(place) = self.place_of(sighting) {
            place.dismissed = true;
        }
    }

    /// The likeliest of the things that were not dismissed.
    pub fn likeliest(&self) -> Option<&Sighting> {
        self.places
            .iter()
            .filter(|place| !place.dismissed)
            .max_by(|a, b| a.likelihood.total_cmp(&b.likelihood))
            .map(|place| &place.best)
    }

    fn place_of(&mut self, sighting: &Sighting) -> Option<&mut Place> {
        self.places
            .iter_mut()
            .find(|place| place.best.is_near(sighting))
    }

    fn insert(&mut self, sighting: &Sighting) {
        if self.places.len() >= PLACES_KEPT {
            let least = (0..self.places.len())
                .min_by(|&a, &b| {
                    let likelihood = |i: usize| self.places[i].likelihood;
                    likelihood(a).total_cmp(&likelihood(b))
                })
                .unwrap_or(0);
            self.places.swap_remove(least);
        }
        self.places.push(Place {
            best: sighting.clone(),
            viewpoint: (sighting.camera, sighting.confidence),
            likelihood: sighting.confidence,
            dismissed: false,
        });
    }
}

impl Place {
    fn add(&mut self, sighting: &Sighting) {
        let (viewpoint, highest) = &mut self.viewpoint;
        if (*viewpoint - sighting.camera).norm() > SAME_VIEWPOINT_M {
            self.likelihood += sighting.confidence;
            self.viewpoint = (sighting.camera, sighting.confidence);
        } else if sighting.confidence > *highest {
            self.likelihood += sighting.confidence - *highest;
            *highest = sighting.confidence;
        }
        if sighting.confidence > self.best.confidence {
            self.best = sighting.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(place: [f64; 2], camera: [f64; 2], confidence: f32) -> Look {
        Look {
            number: 0,
            stamp: 0,
            sightings: vec![Sighting {
                place: Point3::new(place[0], place[1], 0.2),
                camera: Point3::new(camera[0], camera[1], 0.1),
                size: [0.3, 0.3],
                confidence,
                bbox: [0.0; 4],
            }],
        }
    }

    fn likeliest(memory: &Memory) -> Option<[f64; 2]> {
        memory.likeliest().map(|s| [s.place.x, s.place.y])
    }

    #[test]
    fn what_is_seen_from_many_places_is_likelier_than_what_is_seen_long_from_one() {
        let mut memory = Memory::default();
        for _ in 0..100 {
            memory.add(&look([5.0, 0.0], [0.0, 0.0], 0.6));
        }
        for x in [0.0, 0.5, 1.0] {
            memory.add(&look([0.0, 5.0], [x, 0.0], 0.3));
        }
        assert_eq!(likeliest(&memory), Some([0.0, 5.0]));
    }

    #[test]
    fn what_was_dismissed_does_not_come_again() {
        let mut memory = Memory::default();
        let pattern = look([5.0, 0.0], [0.0, 0.0], 0.6);
        memory.add(&pattern);
        memory.add(&look([0.0, 5.0], [0.0, 0.0], 0.3));
        memory.dismiss(&pattern.sightings[0]);
        // Seen again from elsewhere, nearly where it was.
        let again = look([5.2, 0.1], [2.0, 0.0], 0.9);
        memory.add(&again);
        assert!(memory.is_dismissed(&again.sightings[0]));
        assert_eq!(likeliest(&memory), Some([0.0, 5.0]));
    }

    #[test]
    fn the_least_likely_is_forgotten_first() {
        let mut memory = Memory::default();
        memory.add(&look([-5.0, 0.0], [0.0, 0.0], 0.9));
        for x in 0..1000 {
            memory.add(&look([f64::from(x), 0.0], [0.0, 0.0], 0.3));
        }
        assert_eq!(memory.places.len(), PLACES_KEPT);
        assert_eq!(likeliest(&memory), Some([-5.0, 0.0]));
    }
}

//! The quality-of-service profiles that the project uses, by what they are for.

use r2r::QosProfile;

/// For data where every message counts: reliable, volatile, the last 10.
pub fn reliable() -> QosProfile {
    QosProfile::default().reliable().volatile().keep_last(10)
}

/// For state that a late subscriber must learn: reliable, transient local, the last one.
pub fn latched() -> QosProfile {
    QosProfile::default()
        .reliable()
        .transient_local()
        .keep_last(1)
}

/// For streams where only the newest counts, as Nav2 subscribes to sensors: best effort, volatile, the last 5.
pub fn sensor_data() -> QosProfile {
    QosProfile::default().best_effort().volatile().keep_last(5)
}

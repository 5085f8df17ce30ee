//! Whole searches, and independent peers against the running graph

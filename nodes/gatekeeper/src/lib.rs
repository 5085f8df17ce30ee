//! NavigateToPose proxy with a feasibility verdict

//! What the seams promise, seen through examples of their use.

mod background;
mod layer;
mod source;
mod surface;

//! What toolpost-retry promises, seen from outside of it.

mod arithmetic;

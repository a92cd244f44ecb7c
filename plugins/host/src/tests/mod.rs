//! Tests of the host as a whole, with plugins written by hand.

mod cache;
mod calls;
mod examine;
mod guest;
mod limits;
mod streams;

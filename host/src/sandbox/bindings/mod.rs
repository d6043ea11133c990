//! The contract as each version of it was published, generated from `wit/`: one file a version. What of them is the same to the host is brought
//! together where it is used: see `sandbox/mapper/code.rs`.

pub mod v0_1;
pub mod v0_2;

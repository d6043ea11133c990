//! Simulators of SAP Business One's Service Layer and of Salesforce: stateful, over real sockets, refusing where the real
//! systems refuse, with their codes and messages. `docs/simulators.md` says which facts they stand on and what they
//! leave out.

pub mod admin;
pub mod b1;
pub mod clock;
pub mod company;
pub mod faults;
pub mod kept;
pub mod log;
pub mod model;
pub mod records;
pub mod salesforce;
pub mod server;

//! Tandem keeps SAP Business One and Salesforce in step. One folder is one room with one job; `docs/architecture.md`
//! shows how they call each other.

pub mod agents;
pub mod alerts;
pub mod assistants;
pub mod backup;
mod bare;
pub mod checks;
pub mod cli;
pub mod config;
pub mod connections;
pub mod console;
pub mod disk;
pub mod doctor;
pub mod ending;
pub mod engine;
pub mod log;
pub mod mapping;
pub mod mcp;
mod personal;
mod plain;
pub mod reconcile;
pub mod releases;
pub mod sandbox;
pub mod service;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod upgrade;

//! What the host promises whatever happens: kills, a full disk, bad input, another release, a plugin that breaks the rules.

mod agents_own;
mod alerts;
mod all_flows;
mod approvals;
mod audit;
mod backup;
mod bad_input;
mod bad_records;
mod commands;
mod contract;
mod doctor;
mod faults;
mod formats;
mod init;
mod machine;
mod monitor;
mod plugin_cli;
mod protect;
mod reconcile;
mod reconcile_details;
mod releases;
mod reload;
mod sandbox;
mod service;
#[cfg(unix)]
mod several;
mod tools;
mod upgrade;

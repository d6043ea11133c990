//! B1, Salesforce and the network between as they are: rights, limits, what is told and what is not.

mod allocations;
mod b1_webhooks;
mod bulk;
mod details;
mod field_rights;
mod looks;
mod mappings;
mod namespace;
mod networks;
mod package;
mod sharing;
mod sign_in;
mod untold;

//! The Salesforce package, checked without an org.

mod access;
mod apex;
mod components;
mod events;
mod layouts;
mod metadata;
mod names;
mod pages;
mod platform;
mod running;
mod sample;
mod script;

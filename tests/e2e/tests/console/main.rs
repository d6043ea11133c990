//! The console: its API over real sockets, its pages in a browser, and who may sign in.

mod api;
mod mapping;
mod own_tls;
mod pages;
mod programs;
mod reconcile;
mod releases;
mod setup;
mod single_sign_on;

//! What the flows do in real companies. Each of these holds also while every kind of fault strikes one call in fifty: `make soak`.

mod accounts;
mod both_ways;
mod branches;
mod catalogue;
mod chain;
mod companies;
mod desired;
mod finance;
mod identity;
mod money;
mod money_shown;
mod orders;
mod orders_and_clerks;
mod orders_beside;
mod orders_days;
mod orders_found;
mod orders_in_b1;
mod orgs;
mod put_aside;
mod refused_fields;
mod stock;
mod tools;

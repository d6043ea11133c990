//! A person wants a new order beside one that is over: that holds until there is one, whatever else he is asked on the way.

use tandem_sdk::{Event, storage};

use crate::{adopt, look, unseen};

/// Whether this event is to make one: it is answered so, or was before another question about it.
pub fn is_wanted(event: &Event) -> bool {
    let answer = event.resolution.as_deref().unwrap_or_default();
    let is_other = [look::LEAVE, unseen::CANCEL].contains(&answer) || answer.starts_with(adopt::LINK);
    match answer {
        look::MAKE_NEW => {
            // Not kept it is asked again.
            let _ = storage::set(&key(&event.key), &event.id.to_string());
            true
        }
        _ if is_other => {
            forget(&event.key);
            false
        }
        "" => false,
        _ => storage::get(&key(&event.key)).is_some_and(|kept| kept == event.id.to_string()),
    }
}

/// It is made, or not wanted any more.
pub fn forget(id: &str) {
    storage::delete(&key(id));
}

fn key(id: &str) -> String {
    format!("anew:{id}")
}

//! Joins a read that comes in pages, at every depth: the answer's own list, and the lists inside its rows, which go on at
//! addresses of their own. What is handed on is whole, or the read fails: a row that is missing for want of a page would
//! be taken for deleted.

use std::collections::{HashSet, VecDeque};

use serde_json::Value;

use super::{Answer, CallError, Limit};

/// How a system says that a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// B1: `@odata.nextLink` beside `value`, `DocumentLines@odata.nextLink` beside `DocumentLines`.
    OData,
    /// Salesforce: `nextRecordsUrl` and `done` beside `records`, in the answer and in the child rows of a sub-query.
    Salesforce,
}

/// A list that goes on.
#[derive(Debug)]
struct Open {
    /// JSON pointer to the rows that are there.
    list: String,
    /// Address of the next ones.
    next: String,
}

/// Pages followed for one read: a runaway filter ends here, as `too-large`.
const MOST_PAGES: usize = 5_000;
const NEXT_LINK: &str = "@odata.nextLink";

impl Form {
    /// Cheap look before anything is parsed.
    fn may_go_on(self, text: &str) -> bool {
        match self {
            Self::OData => text.contains(NEXT_LINK),
            Self::Salesforce => {
                ["\"nextRecordsUrl\"", "\"done\":false", "\"done\": false"].iter().any(|m| text.contains(m))
            }
        }
    }

    /// Name of the list of a page.
    fn list(self) -> &'static str {
        match self {
            Self::OData => "value",
            Self::Salesforce => "records",
        }
    }

    /// Takes the marks of the lists that go on out of a value and all below it.
    fn take_open(self, value: &mut Value, place: &str, found: &mut Vec<Open>) -> Result<(), CallError> {
        match value {
            Value::Array(rows) => {
                for (index, row) in rows.iter_mut().enumerate() {
                    self.take_open(row, &format!("{place}/{index}"), found)?;
                }
            }
            Value::Object(fields) => {
                for (list, next) in self.take_marks(fields)? {
                    found.push(Open { list: format!("{place}/{}", escaped(&list)), next });
                }
                for (name, below) in fields.iter_mut().filter(|(_, below)| below.is_array() || below.is_object()) {
                    self.take_open(below, &format!("{place}/{}", escaped(name)), found)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The lists of one object that go on, with their next address; from here on the object says that it is whole.
    fn take_marks(self, fields: &mut serde_json::Map<String, Value>) -> Result<Vec<(String, String)>, CallError> {
        match self {
            Self::OData => {
                let marks: Vec<String> = fields.keys().filter(|name| name.ends_with(NEXT_LINK)).cloned().collect();
                let mut taken = Vec::with_capacity(marks.len());
                for mark in marks {
                    let of = mark.trim_end_matches(NEXT_LINK);
                    let list = if of.is_empty() { self.list() } else { of };
                    match fields.remove(&mark) {
                        Some(Value::String(next)) => taken.push((list.to_owned(), next)),
                        Some(Value::Null) | None => {}
                        Some(other) => return Err(broken(&format!("{mark} is {other}"))),
                    }
                }
                Ok(taken)
            }
            Self::Salesforce if fields.get("records").is_some_and(Value::is_array) => {
                let next = match fields.remove("nextRecordsUrl") {
                    Some(Value::String(next)) => Some(next),
                    _ => None,
                };
                match (next, fields.get("done")) {
                    (Some(next), _) => {
                        fields.insert("done".into(), true.into());
                        Ok(vec![(self.list().to_owned(), next)])
                    }
                    (None, Some(Value::Bool(false))) => Err(broken("it is not done, and names no next page")),
                    (None, _) => Ok(Vec::new()),
                }
            }
            Self::Salesforce => Ok(Vec::new()),
        }
    }
}

/// An answer that is being joined: ask for [`Joining::next`] and give its page to [`Joining::add`] until there is none.
pub(super) struct Joining {
    form: Form,
    limit: u64,
    answer: Answer,
    /// None while the answer is whole as it came.
    joined: Option<Value>,
    size: u64,
    open: VecDeque<Open>,
    /// The list whose page was asked for last.
    under_way: String,
    seen: HashSet<String>,
}

impl Joining {
    /// Of all pages together no more than `limit` bytes are taken.
    pub(super) fn begin(form: Form, answer: Answer, limit: Limit<'_>) -> Result<Self, CallError> {
        let size = answer.body.len() as u64;
        let mut joined = None;
        let mut found = Vec::new();
        if form.may_go_on(&answer.body) {
            let mut body = parsed(&answer.body)?;
            form.take_open(&mut body, "", &mut found)?;
            joined = Some(body).filter(|_| !found.is_empty());
        }
        let (open, under_way, seen) = (found.into(), String::new(), HashSet::new());
        Ok(Self { form, limit: limit.each, answer, joined, size, open, under_way, seen })
    }

    /// The address of the next page; none when all are there.
    pub(super) fn next(&mut self) -> Result<Option<String>, CallError> {
        let Some(Open { list, next }) = self.open.pop_front() else { return Ok(None) };
        if self.seen.len() >= MOST_PAGES {
            return Err(CallError::TooLarge(self.limit));
        }
        if !self.seen.insert(next.clone()) {
            return Err(broken("the same page was named twice"));
        }
        self.under_way = list;
        Ok(Some(next))
    }

    /// The page that was asked for last.
    pub(super) fn add(&mut self, page: &str) -> Result<(), CallError> {
        self.size += page.len() as u64;
        if self.size > self.limit {
            return Err(CallError::TooLarge(self.limit));
        }
        let mut page = parsed(page)?;
        let list = &self.under_way;
        let mut more = Vec::new();
        if let Some(fields) = page.as_object_mut() {
            let own = self.form.take_marks(fields)?;
            more.extend(own.into_iter().map(|(_, next)| Open { list: list.clone(), next }));
        }
        let Some(Value::Array(mut rows)) = page.get_mut(self.form.list()).map(Value::take) else {
            return Err(broken("a page holds no list"));
        };
        let Some(Value::Array(so_far)) = self.joined.as_mut().and_then(|joined| joined.pointer_mut(list)) else {
            return Err(broken(&format!("{list} goes on, and is not there")));
        };
        for (index, row) in rows.iter_mut().enumerate() {
            self.form.take_open(row, &format!("{list}/{}", so_far.len() + index), &mut more)?;
        }
        so_far.append(&mut rows);
        // The rest of a list first: the fewer cursors are open at once, the better.
        more.into_iter().rev().for_each(|more| self.open.push_front(more));
        Ok(())
    }

    /// All of it, as if it had come at once.
    pub(super) fn end(mut self) -> Answer {
        if let Some(joined) = self.joined {
            self.answer.body = joined.to_string();
        }
        self.answer
    }
}

fn parsed(text: &str) -> Result<Value, CallError> {
    // Cut off on its way: a second look may bring it whole.
    serde_json::from_str(text).map_err(|e| CallError::Unreachable(format!("a page is not JSON: {e}")))
}

/// Nothing that a second look would mend, and what was read is not whole.
fn broken(why: &str) -> CallError {
    CallError::Invalid(format!("the answer to a read came in pages and cannot be joined: {why}"))
}

/// A name as a step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn joined(form: Form, first: Value, pages: &[(&str, Value)]) -> Result<Value, CallError> {
        let answer = Answer { status: 200, headers: Vec::new(), body: first.to_string() };
        let mut joining = Joining::begin(form, answer, 10_000.into())?;
        while let Some(next) = joining.next()? {
            let (_, page) = pages.iter().find(|(address, _)| *address == next).unwrap_or_else(|| panic!("{next}"));
            joining.add(&page.to_string())?;
        }
        Ok(serde_json::from_str(&joining.end().body).unwrap())
    }

    #[test]
    fn child_rows_are_read_to_their_end_on_every_page_and_at_every_depth() {
        let lines =
            |next: &str| json!({ "totalSize": 3, "done": false, "nextRecordsUrl": next, "records": [{ "Id": 1 }] });
        let first = json!({ "totalSize": 2, "done": false, "nextRecordsUrl": "/q-1", "records": [{ "Id": "a", "Lines": lines("/a-1") }] });
        let pages = [
            ("/q-1", json!({ "totalSize": 2, "done": true, "records": [{ "Id": "b", "Lines": lines("/b-1") }] })),
            (
                "/a-1",
                json!({ "done": false, "nextRecordsUrl": "/a-2", "records": [{ "Id": 2, "Parts": lines("/a-1-1") }] }),
            ),
            ("/a-1-1", json!({ "done": true, "records": [{ "Id": 11 }] })),
            ("/a-2", json!({ "done": true, "records": [{ "Id": 3 }] })),
            ("/b-1", json!({ "done": true, "records": [{ "Id": 4 }] })),
        ];
        let all = joined(Form::Salesforce, first, &pages).unwrap();
        let ids = |place: &str| -> Vec<Value> {
            all.pointer(place).unwrap().as_array().unwrap().iter().map(|row| row["Id"].clone()).collect()
        };
        assert_eq!(ids("/records"), ["a", "b"]);
        assert_eq!(ids("/records/0/Lines/records"), [1, 2, 3]);
        assert_eq!(ids("/records/0/Lines/records/1/Parts/records"), [1, 11]);
        assert_eq!(ids("/records/1/Lines/records"), [1, 4]);
        assert!(!all.to_string().contains("nextRecordsUrl") && !all.to_string().contains("false"), "{all}");
    }

    #[test]
    fn an_expanded_list_of_b1_is_read_to_its_end() {
        let first = json!({
            "value": [{ "DocEntry": 1, "DocumentLines": [{ "LineNum": 0 }], "DocumentLines@odata.nextLink": "lines" }],
            "@odata.nextLink": "orders",
        });
        let pages =
            [("orders", json!({ "value": [{ "DocEntry": 2 }] })), ("lines", json!({ "value": [{ "LineNum": 1 }] }))];
        let all = joined(Form::OData, first, &pages).unwrap();
        let lines = json!([{ "LineNum": 0 }, { "LineNum": 1 }]);
        assert_eq!(all, json!({ "value": [{ "DocEntry": 1, "DocumentLines": lines }, { "DocEntry": 2 }] }));
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_no_answer() {
        let no_way_on = json!({ "done": true, "records": [{ "Lines": { "done": false, "records": [{ "Id": 1 }] } }] });
        let circle = json!({ "done": false, "nextRecordsUrl": "/q", "records": [] });
        for first in [no_way_on, circle.clone()] {
            assert!(joined(Form::Salesforce, first, &[("/q", circle.clone())]).is_err());
        }
        let no_list = [("/q", json!({ "done": true }))];
        assert!(joined(Form::Salesforce, circle, &no_list).is_err());
    }
}

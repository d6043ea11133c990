//! One believable company, made from a seed, as both systems know it: the same customers, items and prices under each
//! system's own keys.

/// A customer: business partner here, account there.
#[derive(Clone, Debug)]
pub struct Customer {
    /// `C00001`
    pub card_code: String,
    /// Name.
    pub name: String,
    /// ISO currency, or `##` for all.
    pub currency: String,
    /// 1 to 4.
    pub price_list: i64,
    /// In company currency; 0 means none.
    pub credit_limit: i64,
    /// Street, city, postcode, country.
    pub address: (String, String, String, String),
    /// First and last name.
    pub contacts: Vec<(String, String)>,
    /// VAT number.
    pub tax_id: String,
}

/// An item: item here, product there.
#[derive(Clone, Debug)]
pub struct Item {
    /// `A00001`
    pub code: String,
    /// Name.
    pub name: String,
    /// Of price list 1, in cents.
    pub cents: i64,
    /// By warehouse 01, 02, 03.
    pub stock: [i64; 3],
    /// False: cannot be sold any more.
    pub active: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct Company {
    /// At least 60.
    pub customers: Vec<Customer>,
    /// At least 300.
    pub items: Vec<Item>,
}

/// Warehouses.
pub const WAREHOUSES: [(&str, &str); 3] = [("01", "Hamburg"), ("02", "Lyon"), ("03", "Gdansk")];
/// Price lists: name, percent of list 1, currency.
pub const PRICE_LISTS: [(&str, i64, &str); 4] =
    [("Retail", 100, "EUR"), ("Wholesale", 85, "EUR"), ("Key accounts", 78, "EUR"), ("Export USD", 110, "USD")];

const FIRST: [&str; 12] =
    ["Nord", "Alster", "Rhein", "Elbe", "Main", "Weser", "Isar", "Havel", "Spree", "Lech", "Saale", "Ruhr"];
const TRADE: [&str; 10] = [
    "Maschinenbau",
    "Elektrotechnik",
    "Werkzeuge",
    "Pumpen",
    "Antriebe",
    "Fördertechnik",
    "Optik",
    "Medizintechnik",
    "Hydraulik",
    "Messtechnik",
];
const FORM: [&str; 4] = ["GmbH", "AG", "KG", "GmbH & Co. KG"];
const CITIES: [(&str, &str, &str); 8] = [
    ("Hamburg", "20095", "DE"),
    ("Köln", "50667", "DE"),
    ("Lyon", "69001", "FR"),
    ("Wien", "1010", "AT"),
    ("Gdańsk", "80-831", "PL"),
    ("Milano", "20121", "IT"),
    ("München", "80331", "DE"),
    ("Utrecht", "3511", "NL"),
];
const GIVEN: [&str; 10] = ["Anna", "Jonas", "Marie", "Paul", "Clara", "Émile", "Zofia", "Luca", "Petra", "Sven"];
const FAMILY: [&str; 10] =
    ["Albrecht", "Berger", "Conrad", "Dubois", "Eriksen", "Fontana", "Graf", "Hoffmann", "Ionescu", "Kowalska"];
const THING: [&str; 10] =
    ["Bearing", "Pump", "Valve", "Motor", "Sensor", "Coupling", "Filter", "Bracket", "Controller", "Seal kit"];

impl Company {
    /// The same company for the same numbers.
    pub fn new(customers: usize, items: usize) -> Self {
        let mut chance = fastrand::Rng::with_seed(7);
        let customers = (1..=customers).map(|n| customer(n, &mut chance)).collect();
        let items = (1..=items).map(|n| item(n, &mut chance)).collect();
        Self { customers, items }
    }

    /// Gives the customers limits around that one, in company currency; those with a narrow one keep it.
    pub fn limit_credit(&mut self, around: i64) {
        for (n, customer) in self.customers.iter_mut().enumerate().filter(|(_, own)| own.credit_limit > 1_000) {
            customer.credit_limit = around * [4, 6, 10, 15, 20][n % 5] / 10;
        }
    }

    /// A price in cents on a list.
    pub fn price(item: &Item, list: i64) -> i64 {
        let percent = PRICE_LISTS[(list.clamp(1, 4) - 1) as usize].1;
        item.cents * percent / 100
    }
}

fn customer(n: usize, chance: &mut fastrand::Rng) -> Customer {
    let (city, postcode, country) = CITIES[n % CITIES.len()];
    let name =
        format!("{}{} {}", FIRST[n % FIRST.len()], TRADE[(n / 3) % TRADE.len()].to_lowercase(), FORM[n % FORM.len()]);
    let name = if n > 120 { format!("{name} {n}") } else { name };
    let contacts = (0..1 + n % 3)
        .map(|k| (GIVEN[(n + k) % GIVEN.len()].to_owned(), FAMILY[(n * 3 + k) % FAMILY.len()].to_owned()))
        .collect();
    Customer {
        card_code: format!("C{n:05}"),
        name,
        // Most trade in euros; every tenth in all currencies.
        currency: if n.is_multiple_of(10) { "##".into() } else { "EUR".into() },
        price_list: if n.is_multiple_of(10) { 4 } else { 1 + (n % 3) as i64 },
        // Two customers with a narrow limit, for the flows that must see it.
        credit_limit: if n == 7 || n == 13 { 500 } else { 1_000_000_000 },
        address: (
            format!("{}straße {}", FIRST[(n * 5) % FIRST.len()], chance.u8(1..99)),
            city.into(),
            postcode.into(),
            country.into(),
        ),
        contacts,
        tax_id: format!("{country}{:09}", 100_000_000 + n * 7919),
    }
}

fn item(n: usize, chance: &mut fastrand::Rng) -> Item {
    Item {
        code: format!("A{n:05}"),
        name: format!("{} {}-{:03}", THING[n % THING.len()], char::from(b'A' + (n % 26) as u8), n),
        cents: 100 + chance.i64(0..250_000),
        stock: [chance.i64(0..500), chance.i64(0..200), chance.i64(0..80)],
        active: n % 60 != 59,
    }
}

//! Passwords, kept as argon2id: <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html> says how much work each try
//! shall be.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::random;
use crate::console::problem::Problem;

/// The fewest letters of a password.
const SHORTEST: usize = 12;
/// The most: nobody types more.
const LONGEST: usize = 200;
/// Tried at once: each takes 19 MiB and a core for some 30 ms.
const AT_ONCE: usize = 2;

/// Makes and checks passwords, a few at once.
pub struct Passwords(Semaphore);

impl Default for Passwords {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Passwords {
    /// What is kept of a new password, as a PHC string.
    pub async fn hash(&self, name: &str, password: &str) -> Result<String, Problem> {
        strong(name, password)?;
        let password = password.to_owned();
        self.work(move || hashed(&password).map(|hash| hash.to_string())).await?
    }

    /// Whether it is the one of which this was kept. Where nothing was, it takes as long to find out.
    pub async fn is(&self, kept: Option<String>, password: String) -> Result<bool, Problem> {
        if password.len() > 4 * LONGEST {
            return Ok(false);
        }
        self.work(move || match kept.as_deref().map(PasswordHash::new) {
            Some(Ok(hash)) => Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
            _ => {
                let _ = hashed(&password);
                false
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _place = self.0.acquire().await.map_err(Problem::failed)?;
        tokio::task::spawn_blocking(work).await.map_err(Problem::failed)
    }
}

fn hashed(password: &str) -> Result<PasswordHash, Problem> {
    Argon2::default().hash_password_with_salt(password.as_bytes(), &random::<16>()?).map_err(Problem::failed)
}

/// An error where it is soon guessed.
fn strong(name: &str, password: &str) -> Result<(), Problem> {
    let letters = password.chars().count();
    let why = if letters < SHORTEST {
        format!("A password has {SHORTEST} letters at least.")
    } else if letters > LONGEST {
        format!("A password has {LONGEST} letters at most.")
    } else if name.chars().count() > 3 && password.to_lowercase().contains(&name.to_lowercase()) {
        "The password must not contain the name.".into()
    } else if password.chars().collect::<std::collections::BTreeSet<_>>().len() < 5 {
        "A password has 5 different letters at least.".into()
    } else {
        return Ok(());
    };
    Err(Problem::field("password", why).mended("Three or four words that have nothing to do with each other are good."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_known_again() {
        let passwords = Passwords::default();
        let kept = passwords.hash("admin", "lantern orbit gravel").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, passwords.hash("admin", "lantern orbit gravel").await.unwrap(), "each has a salt of its own");
        assert!(passwords.is(Some(kept.clone()), "lantern orbit gravel".into()).await.unwrap());
        for wrong in ["lantern orbit grave", "Lantern orbit gravel", ""] {
            assert!(!passwords.is(Some(kept.clone()), wrong.into()).await.unwrap(), "{wrong}");
        }
        assert!(!passwords.is(None, "lantern orbit gravel".into()).await.unwrap());
        assert!(!passwords.is(Some("no hash".into()), String::new()).await.unwrap());
        assert!(!passwords.is(Some(kept), "x".repeat(10_000_000)).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_soon_guessed_is_refused() {
        let long = "a b c d e f ".repeat(50);
        for password in ["short", "aaaaaaaaaaaaaaaa", "my-Admin-password", long.as_str()] {
            let refused = Passwords::default().hash("admin", password).await.unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("password"), "{password}");
        }
    }
}

//! Whose the files are: what is Tandem's is given to the service's user, without following a link that this user may have laid; and commands that
//! root gives are done as the user whom `tandem.toml`'s folder belongs to, so that the service can open what they leave behind.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{
    AtFlags, Dev, Dir, FileType, Mode, OFlags, RawMode, Stat, fchmod, fchown, fstat, mkdirat, open, openat, statat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::rooms::{Room, Rooms};
use super::{Plan, ServiceError};

/// A user of the system.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Its number.
    pub user: u32,
    /// That of its group.
    pub group: u32,
}

/// What the folders' rights are at most: its user changes, its group looks.
const FOLDER: RawMode = 0o750;
/// Of folders with keys in them, and of secrets.
const CLOSED: RawMode = 0o700;

const AS_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const AS_FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn failed(path: &Path) -> impl Fn(Errno) -> ServiceError {
    move |error| ServiceError::File { path: path.to_owned(), cause: error.into() }
}

/// A folder by its whole path: a link in it, laid since it was looked at, is an error.
fn folder(path: &Path) -> Result<OwnedFd, Errno> {
    let mut at = open("/", AS_FOLDER, Mode::empty())?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            at = openat(&at, name, AS_FOLDER, Mode::empty())?;
        }
    }
    Ok(at)
}

/// All folders are looked at before the first is given.
pub(super) fn judge(rooms: &Rooms, owner: Owner) -> Result<(), ServiceError> {
    for room in &rooms.all {
        let at = match folder(&room.path) {
            Err(Errno::NOENT) => {
                above(rooms, room)?;
                continue;
            }
            other => other.map_err(failed(&room.path))?,
        };
        if fstat(&at).map_err(failed(&room.path))?.st_uid != owner.user {
            let entries = entries(&at).map_err(failed(&room.path))?;
            let told: Vec<(String, bool)> =
                entries.into_iter().map(|(name, stat)| (name, kind(&stat) == FileType::Directory)).collect();
            rooms.judge(room, &told)?;
        }
    }
    Ok(())
}

/// What a missing folder is made in is there: a share that is not mounted is no folder on the wrong disk.
fn above(rooms: &Rooms, room: &Room) -> Result<(), ServiceError> {
    let parent = room.path.parent().unwrap_or(&room.path);
    if room.path.starts_with(rooms.base()) || parent.is_dir() {
        return Ok(());
    }
    Err(ServiceError::Above { said: room.said, path: parent.to_owned() })
}

/// Gives all that is Tandem's to the user. What was done, line by line.
pub(super) fn give(rooms: &Rooms, owner: Owner, user: &str) -> Result<Vec<String>, ServiceError> {
    let mut done = Vec::new();
    for room in &rooms.all {
        let given = failed(&room.path);
        let at = made(room, owner).map_err(&given)?;
        let stat = fstat(&at).map_err(&given)?;
        own(&at, &stat, owner, FOLDER).map_err(&given)?;
        for (name, _) in entries(&at).map_err(&given)? {
            if let Some(whole) = room.whose(&name) {
                hand(&at, &name, whole, stat.st_dev, owner).map_err(failed(&room.path.join(&name)))?;
            }
        }
        done.push(format!("{} belongs to {user}, and nobody else may look into it", room.path.display()));
    }
    let base = rooms.base();
    for (path, most) in
        rooms.files.iter().map(|file| (file, 0o777)).chain(rooms.secrets.iter().map(|file| (file, 0o600)))
    {
        one(base, path, most, owner).map_err(failed(path))?;
    }
    Ok(done)
}

/// Opens a folder; one that is not there is made, as its user's.
fn made(room: &Room, owner: Owner) -> Result<OwnedFd, Errno> {
    let mut at = open("/", AS_FOLDER, Mode::empty())?;
    for part in room.path.components() {
        let Component::Normal(name) = part else { continue };
        at = match openat(&at, name, AS_FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => {
                mkdirat(&at, name, Mode::from_raw_mode(CLOSED))?;
                let new = openat(&at, name, AS_FOLDER, Mode::empty())?;
                own(&new, &fstat(&new)?, owner, CLOSED)?;
                new
            }
            other => other?,
        };
    }
    Ok(at)
}

/// Names in a folder, and what they are. A name that is no text is nothing of ours, and told as far as it can be.
fn entries(at: &OwnedFd) -> Result<Vec<(String, Stat)>, Errno> {
    let mut all = Vec::new();
    for entry in Dir::read_from(at)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => all.push((name.to_string_lossy().into_owned(), stat)),
                // Gone meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Hands over what has a name in a folder; links, what has other names elsewhere, and other disks stay as they are.
fn hand(at: &OwnedFd, name: &str, whole: bool, disk: Dev, owner: Owner) -> Result<(), Errno> {
    let Some((file, stat)) = opened(at, name)? else { return Ok(()) };
    match kind(&stat) {
        FileType::RegularFile => own(&file, &stat, owner, 0o777),
        FileType::Directory if whole && stat.st_dev == disk => {
            own(&file, &stat, owner, CLOSED)?;
            for (name, _) in entries(&file)? {
                hand(&file, &name, true, disk, owner)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A file that is one file, or a folder; none where it is neither, or gone.
fn opened(at: &OwnedFd, name: &str) -> Result<Option<(OwnedFd, Stat)>, Errno> {
    let stat = match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        stat => stat?,
    };
    if !matches!(kind(&stat), FileType::RegularFile | FileType::Directory) {
        return Ok(None);
    }
    let file = match openat(at, name, AS_FILE, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        file => file?,
    };
    // What was opened counts, not what had the name before.
    let stat = fstat(&file)?;
    let one = match kind(&stat) {
        FileType::RegularFile => stat.st_nlink == 1,
        kind => kind == FileType::Directory,
    };
    Ok(one.then_some((file, stat)))
}

/// The one place where something changes hands.
fn own(file: impl AsFd, stat: &Stat, owner: Owner, most: RawMode) -> Result<(), Errno> {
    if (stat.st_uid, stat.st_gid) != (owner.user, owner.group) {
        fchown(&file, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))?;
    }
    let rights = stat.st_mode & 0o777;
    if rights & most != rights {
        fchmod(&file, Mode::from_raw_mode(rights & most))?;
    }
    Ok(())
}

/// A file in the base folder by its path, and the folders between.
fn one(base: &Path, path: &Path, most: RawMode, owner: Owner) -> Result<(), Errno> {
    let Ok(rest) = path.strip_prefix(base) else { return Ok(()) };
    let mut at = folder(base)?;
    let mut names: Vec<&str> = rest.iter().filter_map(|name| name.to_str()).collect();
    let Some(last) = names.pop() else { return Ok(()) };
    for name in names {
        let Some((next, stat)) = opened(&at, name)? else { return Ok(()) };
        if kind(&stat) != FileType::Directory {
            return Ok(());
        }
        own(&next, &stat, owner, FOLDER)?;
        at = next;
    }
    match opened(&at, last)? {
        Some((file, stat)) if kind(&stat) == FileType::RegularFile => own(&file, &stat, owner, most),
        _ => Ok(()),
    }
}

/// Tries as the service's user that the program can be started, reads its configuration and secrets, and writes where it must.
pub(super) fn tried(plan: &Plan, owner: Owner) -> Result<(), ServiceError> {
    let cannot = |why: String| ServiceError::Reach { user: plan.user.clone(), program: plan.program.clone(), why };
    let mut command = Command::new(&plan.program);
    command.arg("--config").arg(&plan.config).args(["service", TRY]).uid(owner.user).gid(owner.group);
    let tried = command.current_dir("/").stdin(Stdio::null()).output().map_err(|error| cannot(error.to_string()))?;
    if tried.status.success() {
        return Ok(());
    }
    Err(cannot(String::from_utf8_lossy(&tried.stderr).trim().to_owned()))
}

/// The hidden command by which that is tried.
pub const TRY: &str = "try";

/// Whom the folder of `tandem.toml` belongs to, where that is not root and this process is root's.
pub fn other(config: &Path) -> Option<(Owner, PathBuf)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let named = std::path::absolute(config).ok()?;
    // Before a restore there may be no file yet.
    let folder = match named.canonicalize() {
        Ok(file) => file.parent()?.to_owned(),
        Err(_) => named.parent()?.canonicalize().ok()?,
    };
    let there = std::fs::metadata(&folder).ok()?;
    let owner = Owner { user: there.uid(), group: there.gid() };
    (owner.user != 0).then_some((owner, folder))
}

/// Goes on as another user, from the beginning: comes back with an error only.
pub fn become_owner(owner: Owner, folder: &Path) -> ServiceError {
    let group = group_of(owner.user).unwrap_or(owner.group);
    let mut arguments = std::env::args_os();
    // The program that runs, wherever it lies, under the name that it was called by.
    let mut command = Command::new("/proc/self/exe");
    command.arg0(arguments.next().unwrap_or_else(|| "tandem".into())).args(arguments);
    // All other groups are given up with it.
    let cause = command.uid(owner.user).gid(group).exec();
    ServiceError::Owner { folder: folder.to_owned(), user: owner.user, cause }
}

fn group_of(user: u32) -> Option<u32> {
    let said = Command::new("id").args(["-g", "--", &user.to_string()]).stdin(Stdio::null()).output().ok()?;
    if !said.status.success() {
        return None;
    }
    String::from_utf8_lossy(&said.stdout).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::config::Config;

    /// Nobody's number on every system.
    const NOBODY: Owner = Owner { user: 65534, group: 65534 };

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    fn whose(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().uid()
    }

    fn rights(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_tandems_is_given_and_nothing_that_a_link_or_a_second_name_leads_to() {
        if !is_root() {
            return;
        }
        let there = tempfile::tempdir().unwrap();
        let there = there.path().canonicalize().unwrap();
        let (own, backups, others) = (there.join("own"), there.join("backups"), there.join("others"));
        for folder in [&own, &others, &own.join("data"), &own.join("data/compiled"), &backups] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
        for file in
            ["own/data/tandem.db-wal", "own/data/compiled/x", "own/notes.txt", "others/shadow", "own/b1.password"]
        {
            std::fs::write(there.join(file), "text").unwrap();
        }
        symlink(others.join("shadow"), own.join("data/tandem.db")).unwrap();
        symlink(&others, own.join("secrets")).unwrap();
        std::fs::hard_link(others.join("shadow"), own.join("data/tandem.lock")).unwrap();
        std::fs::write(backups.join("tandem-1.tar.zst"), "").unwrap();
        let text = format!(
            "[backup]\nfolder = '{}'\n[log]\nfile = 'logs/tandem.log'\n[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\n\
             company = \"X\"\nuser = \"u\"\npassword = {{ file = \"b1.password\" }}\n",
            backups.display()
        );
        std::fs::write(own.join("tandem.toml"), text).unwrap();
        let rooms = Rooms::of(&Config::load(&own.join("tandem.toml")).unwrap()).unwrap();
        judge(&rooms, NOBODY).unwrap();
        give(&rooms, NOBODY, "nobody").unwrap();
        for path in [
            "own",
            "own/tandem.toml",
            "own/data",
            "own/data/tandem.db-wal",
            "own/data/compiled/x",
            "own/logs",
            "own/plugins",
            "own/b1.password",
            "backups",
            "backups/tandem-1.tar.zst",
        ] {
            assert_eq!(whose(&there.join(path)), 65534, "{path}");
        }
        for path in ["others", "others/shadow", "own/data/tandem.db", "own/notes.txt", "own/secrets"] {
            assert_eq!(whose(&there.join(path)), 0, "{path}");
        }
        assert_eq!((rights(&own), rights(&own.join("b1.password"))), (0o750, 0o600));
        assert_eq!(rights(&own.join("logs")), 0o700);

        // Again, when it is the user's: what it has laid into it meanwhile is left alone.
        judge(&rooms, NOBODY).unwrap();
        std::fs::remove_dir(own.join("logs")).unwrap();
        symlink(&others, own.join("logs")).unwrap();
        assert!(give(&rooms, NOBODY, "nobody").is_err(), "a link in the place of a folder");
        assert_eq!(whose(&others), 0);
    }

    #[test]
    fn a_folder_with_other_things_in_it_and_one_below_nothing_are_refused_before_anything_is_given() {
        let there = tempfile::tempdir().unwrap();
        let there = there.path().canonicalize().unwrap();
        let (own, share) = (there.join("own"), there.join("share"));
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(&share).unwrap();
        std::fs::write(share.join("payroll.xlsx"), "").unwrap();
        let mine = whose(&own);
        let with = |backups: &Path| {
            std::fs::write(own.join("tandem.toml"), format!("[backup]\nfolder = '{}'\n", backups.display())).unwrap();
            judge(&Rooms::of(&Config::load(&own.join("tandem.toml")).unwrap()).unwrap(), NOBODY)
                .map_err(|e| e.to_string())
        };
        let error = with(&share).unwrap_err();
        assert!(error.contains("payroll.xlsx") && error.contains("chown"), "{error}");
        let error = with(&there.join("not/mounted")).unwrap_err();
        assert!(error.contains("is not there"), "{error}");
        with(&share.join("tandem")).unwrap();
        assert_eq!(whose(&own), mine);
    }
}

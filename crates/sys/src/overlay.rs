//! overlayfs mounts that appear nowhere: the file descriptor is the mount.
//!
//! On kernels from 6.5 each lower directory is one `lowerdir+` parameter of the new mount API, so
//! no text has to hold them all. Older kernels take one page of options: there the directories
//! are opened, and named by their descriptor numbers relative to `/proc/self/fd` (three or four
//! bytes each), in a thread that has a mount namespace and a working directory of its own; the
//! mount is cloned out of it with `open_tree(2)` and nothing is left when the thread ends.
//!
//! Options, chosen to write what Docker's `overlay2` writes: `index=off`, `metacopy=off`,
//! `redirect_dir=off` (a lower directory is renamed by copying, `EXDEV` to the caller, so an upper
//! directory is complete by itself and can be exported without following redirects),
//! `xino=off`. `volatile` only where it is asked for: a writable layer survives its host's crash,
//! unless its container does not. Without it the end of a mount flushes the whole file system
//! below, which takes as long as everybody's dirty pages do.
//!
//! Refused: no lower directory; more than [`MAX_LOWER`]; an upper without a work directory; a
//! single directory (the kernel wants two lower ones where there is no upper).
//! Source: Documentation/filesystems/overlayfs.rst, Linux 6.18.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags,
        OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
        mount_change, open_tree,
    },
    thread::UnshareFlags,
};

/// The kernel's bound on lower directories (`OVL_MAX_STACK`).
pub const MAX_LOWER: usize = 500;

/// The longest text that `fsconfig(2)` takes, without its final NUL.
const MAX_PARAMETER: usize = 255;

/// What every mount gets besides its directories.
pub(crate) const OPTIONS: [(&str, &str); 4] =
    [("index", "off"), ("metacopy", "off"), ("redirect_dir", "off"), ("xino", "off")];

/// The directories of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Read-only directories, topmost first.
    pub lower: &'a [PathBuf],
    /// The writable directory; without it the mount is read-only.
    pub upper: Option<&'a Path>,
    /// overlayfs' own directory, empty and on the file system of `upper`.
    pub work: Option<&'a Path>,
    /// Whether `upper` need not survive a crash. Kernels without the new mount API flush anyway.
    pub is_volatile: bool,
}

/// Mounts an overlay that is attached nowhere yet.
///
/// # Errors
/// `InvalidInput` for a combination that the module refuses; else what the kernel says.
pub fn mount(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    check(overlay)?;
    if let Some(work) = overlay.work {
        forget_volatile(work)?;
    }
    match mount_by_parameters(overlay) {
        // EINVAL: no `lowerdir+` before 6.5. ENOSYS, EPERM: no such calls, or a filter on them.
        // A request that is wrong in itself gets its EINVAL again from the older call.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => mount_by_page(overlay),
        other => Ok(other?),
    }
}

/// Takes away the mark by which overlayfs refuses an upper directory that was mounted `volatile`
/// once: whether it is still good is the caller's to know.
pub(crate) fn forget_volatile(work: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(work.join("work/incompat/volatile")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn check(overlay: &Overlay<'_>) -> io::Result<()> {
    let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if overlay.lower.is_empty() {
        return refuse("an overlay needs a lower directory".to_owned());
    }
    if overlay.lower.len() > MAX_LOWER {
        let count = overlay.lower.len();
        return refuse(format!("overlayfs takes at most {MAX_LOWER} layers, not {count}"));
    }
    if overlay.lower.len() == 1 && overlay.upper.is_none() {
        return refuse("an overlay without an upper directory needs two lower ones".to_owned());
    }
    if overlay.upper.is_some() != overlay.work.is_some() {
        return refuse("an upper directory needs a work directory".to_owned());
    }
    Ok(())
}

fn mount_by_parameters(overlay: &Overlay<'_>) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in OPTIONS {
        set_option(&context, key, value)?;
    }
    for lower in overlay.lower {
        set_directory(&context, "lowerdir+", lower)?;
    }
    if let (Some(upper), Some(work)) = (overlay.upper, overlay.work) {
        set_directory(&context, "upperdir", upper)?;
        set_directory(&context, "workdir", work)?;
        if overlay.is_volatile {
            set_volatile(&context)?;
        }
    }
    fsconfig_set_string(&context, "source", "overlay")?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Sets an option that a kernel built without its feature does not know: then it is off anyway.
pub(crate) fn set_option(context: &OwnedFd, key: &str, value: &str) -> rustix::io::Result<()> {
    match fsconfig_set_string(context, key, value) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}

/// A kernel that does not know the option flushes more than it must, which harms nothing.
pub(crate) fn set_volatile(context: &OwnedFd) -> rustix::io::Result<()> {
    match fsconfig_set_flag(context, "volatile") {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}

fn set_directory(context: &OwnedFd, key: &str, path: &Path) -> rustix::io::Result<()> {
    if path.as_os_str().len() <= MAX_PARAMETER {
        return fsconfig_set_string(context, key, path);
    }
    let dir = open_path(path)?;
    fsconfig_set_string(context, key, format!("/proc/self/fd/{}", dir.as_raw_fd()))
}

fn open_path(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The way of `mount(2)`, whose options are one page of text.
fn mount_by_page(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    thread::scope(|scope| {
        scope
            .spawn(|| mount_in_own_namespace(overlay))
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
    })
}

fn mount_in_own_namespace(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    // SAFETY: this thread ends with this function and shares no working directory from here on;
    // descriptors are not unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS)? };
    // Nothing that is mounted here may reach the namespace that was copied.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Opened only here: overlayfs refuses directories of another mount namespace.
    let open_all = OpenDirectories::open(overlay)?;
    rustix::process::chdir("/proc/self/fd")?;
    let options = std::ffi::CString::new(open_all.options())?;
    let place = overlay.upper.unwrap_or(&overlay.lower[0]);
    rustix::mount::mount("overlay", place, "overlay", MountFlags::empty(), options.as_c_str())?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, place, flags)?)
}

/// The directories of an overlay, to be named by descriptor number.
struct OpenDirectories {
    lower: Vec<OwnedFd>,
    upper_and_work: Option<(OwnedFd, OwnedFd)>,
}

impl OpenDirectories {
    fn open(overlay: &Overlay<'_>) -> rustix::io::Result<Self> {
        let lower = overlay.lower.iter().map(|path| open_path(path));
        let upper_and_work = match (overlay.upper, overlay.work) {
            (Some(upper), Some(work)) => Some((open_path(upper)?, open_path(work)?)),
            _ => None,
        };
        Ok(Self { lower: lower.collect::<rustix::io::Result<_>>()?, upper_and_work })
    }

    fn options(&self) -> String {
        let numbers: Vec<String> =
            self.lower.iter().map(|dir| dir.as_raw_fd().to_string()).collect();
        let mut options = format!("lowerdir={}", numbers.join(":"));
        if let Some((upper, work)) = &self.upper_and_work {
            let (upper, work) = (upper.as_raw_fd(), work.as_raw_fd());
            options += &format!(",upperdir={upper},workdir={work}");
        }
        for (key, value) in OPTIONS.iter().filter(|(key, _)| has_parameter(key)) {
            options += &format!(",{key}={value}");
        }
        options
    }
}

/// Whether the loaded overlayfs knows a parameter (`mount(2)` refuses unknown ones).
fn has_parameter(key: &str) -> bool {
    // `xino` exists from 4.17 on, with a module parameter of another name.
    let key = if key == "xino" { "xino_auto" } else { key };
    Path::new("/sys/module/overlay/parameters").join(key).exists()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::confine::Root;

    struct Layers {
        _temp: tempfile::TempDir,
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
    }

    impl Layers {
        fn new(count: usize, prefix: &str) -> Self {
            let temp = tempfile::tempdir().unwrap();
            let lower: Vec<PathBuf> = (0..count)
                .map(|index| temp.path().join(prefix).join(format!("layer-{index}")))
                .collect();
            for (index, dir) in lower.iter().enumerate() {
                std::fs::create_dir_all(dir).unwrap();
                std::fs::write(dir.join(format!("file-{index}")), index.to_string()).unwrap();
                std::fs::write(dir.join("shared"), index.to_string()).unwrap();
            }
            let (upper, work) = (temp.path().join("upper"), temp.path().join("work"));
            std::fs::create_dir(&upper).unwrap();
            std::fs::create_dir(&work).unwrap();
            Self { _temp: temp, lower, upper, work }
        }

        fn overlay(&self) -> Overlay<'_> {
            Overlay {
                lower: &self.lower,
                upper: Some(&self.upper),
                work: Some(&self.work),
                is_volatile: false,
            }
        }
    }

    fn read(root: &Root, name: &str) -> String {
        let file = root.open_file(Path::new(name), OFlags::RDONLY, Mode::empty()).unwrap();
        io::read_to_string(File::from(file)).unwrap()
    }

    fn check_all_layers_show(fd: OwnedFd, layers: &Layers) {
        let root = Root::from_fd(fd);
        assert_eq!(read(&root, "shared"), "0");
        for index in [0, layers.lower.len() / 2, layers.lower.len() - 1] {
            assert_eq!(read(&root, &format!("file-{index}")), index.to_string());
        }
        let flags = OFlags::CREATE | OFlags::WRONLY;
        root.open_file(Path::new("new"), flags, Mode::from_raw_mode(0o644)).unwrap();
        assert!(layers.upper.join("new").exists());
    }

    #[test]
    fn mounts_one_127_300_and_500_layers_detached() {
        for count in [1, 127, 300, MAX_LOWER] {
            let layers = Layers::new(count, "l");
            let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
            let fd = mount(&layers.overlay()).unwrap();
            let after = std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
            assert_eq!(before, after, "the mount must not be attached");
            check_all_layers_show(fd, &layers);
        }
    }

    #[test]
    fn the_page_of_options_holds_as_many_layers_and_leaves_no_mount() {
        for count in [1, 127, 300, MAX_LOWER] {
            let layers = Layers::new(count, &"a-long-directory-name-".repeat(8));
            let fd = mount_by_page(&layers.overlay()).unwrap();
            check_all_layers_show(fd, &layers);
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounts.contains(layers.upper.parent().unwrap().to_str().unwrap()));
            assert!(!layers.lower[0].join("new").exists());
        }
    }

    #[test]
    fn paths_longer_than_a_parameter_are_mounted() {
        let layers = Layers::new(3, &format!("{0}/{0}", "x".repeat(200)));
        check_all_layers_show(mount(&layers.overlay()).unwrap(), &layers);
    }

    #[test]
    fn a_view_without_upper_is_read_only() {
        let layers = Layers::new(2, "l");
        let view = Overlay { upper: None, work: None, ..layers.overlay() };
        for fd in [mount(&view).unwrap(), mount_by_page(&view).unwrap()] {
            let root = Root::from_fd(fd);
            assert_eq!(read(&root, "file-1"), "1");
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let error = root.open_file(Path::new("new"), flags, Mode::empty()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
        }
    }

    #[test]
    fn a_volatile_mount_can_be_followed_by_another() {
        let layers = Layers::new(2, "l");
        let mark = layers.work.join("work/incompat/volatile");
        for is_volatile in [true, true, false] {
            let fd = mount(&Overlay { is_volatile, ..layers.overlay() }).unwrap();
            assert_eq!(mark.exists(), is_volatile);
            check_all_layers_show(fd, &layers);
            std::fs::remove_file(layers.upper.join("new")).unwrap();
        }
    }

    #[test]
    fn too_many_layers_are_refused_with_the_bound() {
        let lower = vec![PathBuf::from("/"); MAX_LOWER + 1];
        let error = mount(&Overlay { lower: &lower, upper: None, work: None, is_volatile: false })
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("at most 500 layers, not 501"), "{error}");
        let upper = Overlay {
            lower: &lower[..1],
            upper: Some(Path::new("/")),
            work: None,
            is_volatile: false,
        };
        assert_eq!(mount(&upper).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let single = Overlay { lower: &lower[..1], upper: None, work: None, is_volatile: false };
        assert!(mount(&single).unwrap_err().to_string().contains("needs two lower ones"));
    }

    #[test]
    fn a_lower_directory_is_renamed_by_copying_not_by_redirect() {
        let layers = Layers::new(1, "l");
        std::fs::create_dir(layers.lower[0].join("dir")).unwrap();
        let fd = mount(&layers.overlay()).unwrap();
        let error = rustix::fs::renameat(&fd, "dir", &fd, "renamed").unwrap_err();
        assert_eq!(error, Errno::XDEV);
    }
}

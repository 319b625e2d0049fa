//! What the system tells about memory: control groups of both versions, what is available, limits
//! of the process. Elsewhere than on Linux there are no such files, and so no limit is known.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{Limit, SetBy};

/// The smallest of all limits below this root of the file system.
pub(crate) fn granted(root: &Path) -> Option<Limit> {
    let limit = |bytes: usize, set_by| Limit { bytes: bytes - bytes / 16, set_by };
    let limits = [
        control_group(root).map(|bytes| limit(bytes, SetBy::ControlGroup)),
        available(root).map(|bytes| limit(bytes, SetBy::Machine)),
        address_space(root).map(|bytes| limit(bytes, SetBy::AddressSpace)),
    ];
    limits.into_iter().flatten().min_by_key(|limit| limit.bytes)
}

/// The files of a control group of one version.
struct Version {
    mount: &'static str,
    limit: &'static str,
    used: &'static str,
    /// The entry of `memory.stat` for cached file contents that are given back when memory is
    /// short.
    reclaimable: &'static str,
}

const V1: Version = Version {
    mount: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};

const V2: Version = Version {
    mount: "sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    reclaimable: "inactive_file",
};

/// What the control groups of the process leave: its own and all around it.
fn control_group(root: &Path) -> Option<usize> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let room = |line: &str| {
        // Such as `0::/user.slice` in version 2, `5:cpu,memory:/docker/4f2a` in version 1.
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let version = match controllers {
            "" => V2,
            _ if controllers.split(',').any(|name| name == "memory") => V1,
            _ => return None,
        };
        let mount = root.join(version.mount);
        // A path that leaves the mount, or is not there, is one of the host: the mount is the
        // group.
        let normal = |part: &Component<'_>| matches!(part, Component::Normal(_));
        let inside: PathBuf = Path::new(path).components().filter(normal).collect();
        inside.ancestors().filter_map(|group| version.room(&mount.join(group))).min()
    };
    groups.lines().filter_map(room).min()
}

impl Version {
    /// What a group leaves, if it has a limit.
    fn room(&self, group: &Path) -> Option<usize> {
        let read = |file: &str| fs::read_to_string(group.join(file)).ok();
        let limit: usize = read(self.limit)?.trim().parse().ok()?;
        let used: usize = read(self.used)?.trim().parse().ok()?;
        let reclaimable = read("memory.stat").and_then(|stat| number(&stat, self.reclaimable));
        Some(limit.saturating_sub(used.saturating_sub(reclaimable.unwrap_or(0))))
    }
}

/// What the system can give without swapping.
fn available(root: &Path) -> Option<usize> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    number(&text, "MemAvailable:")?.checked_mul(1024)
}

/// What the limits of the process leave of its address space and of its data.
fn address_space(root: &Path) -> Option<usize> {
    let read = |file: &str| fs::read_to_string(root.join("proc/self").join(file)).ok();
    let (limits, status) = (read("limits")?, read("status")?);
    let room = |(limit, used): (&str, &str)| {
        // The first number is the limit that holds, the second how far it may be raised.
        let limit = number(&limits, limit)?;
        let used = number(&status, used)?.checked_mul(1024)?;
        Some(limit.saturating_sub(used))
    };
    let rooms = [("Max address space", "VmSize:"), ("Max data size", "VmData:")].map(room);
    rooms.into_iter().flatten().min()
}

/// The number after a name at the start of a line.
fn number(text: &str, name: &str) -> Option<usize> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is granted below a root with these files.
    fn of(files: &[(&str, &str)]) -> Option<(usize, SetBy)> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        granted(root.path()).map(|limit| (limit.bytes, limit.set_by))
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16384 kB\nMemFree:          100 kB\nMemAvailable:    1600 kB\n",
    );

    #[test]
    fn without_files_nothing_is_known() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("proc/meminfo", "MemAvailable: many kB")]), None);
    }

    #[test]
    fn the_machine_grants_what_is_available_but_a_sixteenth() {
        assert_eq!(of(&[MEMINFO]), Some((1500 * 1024, SetBy::Machine)));
    }

    #[test]
    fn groups_of_version_2_count_with_all_around_them() {
        let group = |max: &'static str| {
            of(&[
                MEMINFO,
                ("proc/self/cgroup", "0::/pod/box\n"),
                ("sys/fs/cgroup/pod/box/memory.max", max),
                ("sys/fs/cgroup/pod/box/memory.current", "100\n"),
                ("sys/fs/cgroup/pod/memory.max", "32000\n"),
                ("sys/fs/cgroup/pod/memory.current", "20000\n"),
                ("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 4000\n"),
            ])
        };
        assert_eq!(group("max\n"), Some((15_000, SetBy::ControlGroup)));
        assert_eq!(group("1700\n"), Some((1500, SetBy::ControlGroup)));
        assert_eq!(group("99\n"), Some((0, SetBy::ControlGroup)));
    }

    #[test]
    fn groups_of_version_1_are_found_by_their_controller() {
        let group = |path: &'static str| {
            of(&[
                MEMINFO,
                ("proc/self/cgroup", "9:cpuset:/a\n5:cpu,memory:/docker/4f2a\n1:name=systemd:/\n"),
                (path, "3600\n"),
                (&path.replace("limit", "usage"), "1000\n"),
                (
                    &path.replace("limit_in_bytes", "stat"),
                    "inactive_file 7\ntotal_inactive_file 600\n",
                ),
            ])
        };
        let limit = Some((3000, SetBy::ControlGroup));
        assert_eq!(group("sys/fs/cgroup/memory/docker/4f2a/memory.limit_in_bytes"), limit);
        // In a container the path is often that of the host, and the mount is the group.
        assert_eq!(group("sys/fs/cgroup/memory/memory.limit_in_bytes"), limit);
        assert_eq!(
            group("sys/fs/cgroup/cpuset/a/memory.limit_in_bytes"),
            Some((1500 * 1024, SetBy::Machine))
        );
    }

    #[test]
    fn paths_stay_below_the_mount() {
        let files = [
            ("proc/self/cgroup", "0::/../../other\n"),
            ("sys/fs/cgroup/memory.max", "1600\n"),
            ("sys/fs/cgroup/memory.current", "0\n"),
        ];
        assert_eq!(of(&files), Some((1500, SetBy::ControlGroup)));
    }

    #[test]
    fn limits_of_the_process_count() {
        let process = |limits: &'static str| {
            of(&[
                MEMINFO,
                ("proc/self/limits", limits),
                ("proc/self/status", "Name:\tx\nVmSize:\t      10 kB\nVmData:\t       2 kB\n"),
            ])
        };
        let unlimited = "Max data size             unlimited            unlimited            bytes\n\
                         Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(process(unlimited), Some((1500 * 1024, SetBy::Machine)));
        let space = "Max data size             unlimited            unlimited            bytes\n\
                     Max address space         26624                unlimited            bytes\n";
        assert_eq!(process(space), Some((15 * 1024, SetBy::AddressSpace)));
        let data = "Max data size             3648                 unlimited            bytes\n\
                    Max address space         26624                unlimited            bytes\n";
        assert_eq!(process(data), Some((1500, SetBy::AddressSpace)));
    }
}

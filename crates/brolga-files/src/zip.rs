//! Zip archives in memory: what `.keras` and `.npz` files are.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use brolga_ir::Mistake;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipArchiveWriter};

use crate::error::{Content, damaged};

/// The most that a member may be larger than its compressed bytes: what DEFLATE reaches at most.
const LARGEST_RATIO: u64 = 1032;

/// The most members that an archive may have.
const MOST_MEMBERS: usize = 1 << 20;

/// An archive whose directory was read and checked.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    members: BTreeMap<String, Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    way: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    size: u64,
}

fn failed(error: rawzip::Error) -> Mistake {
    damaged(format!("it is no complete zip archive ({error})"))
}

impl<'a> Archive<'a> {
    /// The archive in these bytes.
    ///
    /// # Errors
    /// If the directory is damaged, members have one name or share bytes, a name leads out of the
    /// archive, or a member says that it is larger than its bytes can become.
    pub(crate) fn new(bytes: &'a [u8]) -> Content<Self> {
        let archive = ZipArchive::from_slice(bytes).map_err(failed)?;
        let mut members = BTreeMap::new();
        let mut spans = vec![];
        let mut entries = archive.entries();
        while let Some(entry) = entries.next_entry().map_err(failed)? {
            let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
            if entry.is_dir() {
                continue;
            }
            check_name(&name)?;
            let (packed, size) = (entry.compressed_size_hint(), entry.uncompressed_size_hint());
            if size > packed.saturating_mul(LARGEST_RATIO) {
                let message =
                    format!("the member `{name}` says that its {packed} bytes become {size}");
                return Err(Mistake::new(message).help("this is a decompression bomb, or damaged"));
            }
            let found = archive.get_entry(entry.wayfinder()).map_err(failed)?;
            let (start, end) = found.compressed_data_range();
            spans.push((entry.local_header_offset(), end.max(start)));
            let method = entry.compression_method();
            let member = Member { way: entry.wayfinder(), method, size };
            if members.insert(name.clone(), member).is_some() {
                return Err(damaged(format!("the archive has two members `{name}`")));
            }
            if members.len() > MOST_MEMBERS {
                let message = format!("the archive has more than {MOST_MEMBERS} members");
                return Err(damaged(message));
            }
        }
        if members.len() as u64 > archive.entries_hint() {
            return Err(damaged("the archive has more members than it says"));
        }
        spans.sort_unstable();
        if spans.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(damaged("members of the archive share bytes"));
        }
        Ok(Self { bytes, members })
    }

    /// The names of the members, sorted, and how large they are.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, u64)> {
        self.members.iter().map(|(name, member)| (name.as_str(), member.size))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The first bytes of a member, and how many it has.
    ///
    /// # Errors
    /// As [`Archive::read`]; the checksum is not looked at.
    pub(crate) fn head(&self, name: &str, most: usize) -> Content<(Vec<u8>, u64)> {
        let Some(member) = self.members.get(name) else {
            return Err(damaged(format!("the archive has no member `{name}`")));
        };
        let archive = ZipArchive::from_slice(self.bytes).map_err(failed)?;
        let entry = archive.get_entry(member.way).map_err(failed)?;
        let mut content = vec![];
        let most = most as u64;
        let read = match member.method {
            CompressionMethod::STORE => entry.data().take(most).read_to_end(&mut content),
            CompressionMethod::DEFLATE => {
                DeflateDecoder::new(entry.data()).take(most).read_to_end(&mut content)
            }
            other => return Err(unknown_method(name, other)),
        };
        read.map_err(|error| damaged(format!("the member `{name}` is damaged ({error})")))?;
        Ok((content, member.size))
    }

    /// The content of a member.
    ///
    /// # Errors
    /// If there is none of this name, it is compressed in another way than by DEFLATE, its checksum
    /// is another one, or the machine does not grant the memory.
    pub(crate) fn read(&self, name: &str) -> Content<Vec<u8>> {
        let Some(member) = self.members.get(name) else {
            let names: Vec<&str> = self.members.keys().take(8).map(String::as_str).collect();
            let message = format!("the archive has no member `{name}`");
            return Err(Mistake::new(message).help(format!("it has {}", names.join(", "))));
        };
        let size = usize::try_from(member.size).unwrap_or(usize::MAX);
        let mut content = brolga_memory::with_capacity(size)
            .map_err(|error| damaged(format!("the member `{name}`: {error}")))?;
        let archive = ZipArchive::from_slice(self.bytes).map_err(failed)?;
        let entry = archive.get_entry(member.way).map_err(failed)?;
        // One byte more tells of a member that is larger than it says.
        let limit = member.size.saturating_add(1);
        let read = match member.method {
            CompressionMethod::STORE => {
                entry.verifying_reader(entry.data()).take(limit).read_to_end(&mut content)
            }
            CompressionMethod::DEFLATE => entry
                .verifying_reader(DeflateDecoder::new(entry.data()))
                .take(limit)
                .read_to_end(&mut content),
            other => return Err(unknown_method(name, other)),
        };
        read.map_err(|error| damaged(format!("the member `{name}` is damaged ({error})")))?;
        if content.len() as u64 != member.size {
            let message = format!(
                "the member `{name}` has {} bytes, the archive says {}",
                content.len(),
                member.size
            );
            return Err(damaged(message));
        }
        Ok(content)
    }
}

fn unknown_method(name: &str, method: CompressionMethod) -> Mistake {
    let message = format!("the member `{name}` is compressed by method {method:?}");
    Mistake::new(message).help("members are stored, or compressed by DEFLATE")
}

/// Fails for names that would lead out of a folder into which the archive is unpacked.
fn check_name(name: &str) -> Content<()> {
    let parts = || name.split(['/', '\\']);
    let leaves = name.is_empty()
        || name.starts_with(['/', '\\'])
        || name.contains([':', '\0'])
        || parts().any(|part| part == ".." || part == ".");
    if leaves {
        let message = format!("the archive has a member of the path `{}`", name.escape_debug());
        return Err(Mistake::new(message).help("paths of members stay inside of the archive"));
    }
    Ok(())
}

/// An archive of these members, stored as Keras does, all with the same time: the same bytes for
/// the same content.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Content<Vec<u8>> {
    let needed: usize = members.iter().map(|(_, content)| content.len()).sum();
    let mut bytes = brolga_memory::with_capacity(needed.saturating_add(1 << 12))
        .map_err(|error| Mistake::new(error.to_string()))?;
    write(&mut bytes, members).map_err(|error| Mistake::new(error.to_string()))?;
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, members: &[(&str, &[u8])]) -> Result<(), rawzip::Error> {
    let mut archive = ZipArchiveWriter::new(bytes);
    for (name, content) in members {
        let file = archive.new_file(*name).compression_method(CompressionMethod::STORE);
        let (mut entry, config) = file.start()?;
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).map_err(rawzip::Error::from)?;
        let (_, descriptor) = writer.finish()?;
        entry.finish(descriptor)?;
    }
    archive.finish().map(drop)
}

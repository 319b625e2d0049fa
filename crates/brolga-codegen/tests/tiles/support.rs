//! Running one program on the interpreter and as machine code.

use std::sync::Arc;

use brolga_codegen::VectorIsa;
use brolga_codegen::jit::{Code, link};
use brolga_codegen::object::ObjectBuilder;
use brolga_codegen::tile::{Buffer, Interpret, TileProgram, TileTarget, interpret};
use cranelift_module::FuncId;
use half::{bf16, f16};

/// An argument with its content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arg {
    F32(Vec<f32>),
    BF16(Vec<bf16>),
    F16(Vec<f16>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    Count(i64),
}

impl Arg {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::BF16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::U8(v) => v.clone(),
            Self::Count(_) => Vec::new(),
        }
    }

    fn with_bytes(&self, bytes: &[u8]) -> Self {
        let words = || bytes.as_chunks().0.iter().copied();
        let halves = || bytes.as_chunks().0.iter().copied();
        match self {
            Self::F32(_) => Self::F32(words().map(f32::from_le_bytes).collect()),
            Self::BF16(_) => Self::BF16(halves().map(bf16::from_le_bytes).collect()),
            Self::F16(_) => Self::F16(halves().map(f16::from_le_bytes).collect()),
            Self::I32(_) => Self::I32(words().map(i32::from_le_bytes).collect()),
            Self::U8(_) => Self::U8(bytes.to_vec()),
            Self::Count(n) => Self::Count(*n),
        }
    }

    /// The same bits, all NaNs being one value.
    pub(crate) fn same(&self, other: &Self) -> bool {
        fn same<T: PartialOrd>(a: &[T], b: &[T], bits: impl Fn(&T) -> u32) -> bool {
            let is_nan = |x: &T| x.partial_cmp(x).is_none();
            let equal = |(x, y): (&T, &T)| bits(x) == bits(y) || is_nan(x) && is_nan(y);
            a.len() == b.len() && a.iter().zip(b).all(equal)
        }
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => same(a, b, |x| x.to_bits()),
            (Self::BF16(a), Self::BF16(b)) => same(a, b, |x| x.to_bits().into()),
            (Self::F16(a), Self::F16(b)) => same(a, b, |x| x.to_bits().into()),
            (a, b) => a == b,
        }
    }
}

/// The arguments after the interpreter has run the program.
pub(crate) fn interpreted(program: &TileProgram, args: &[Arg]) -> Vec<Arg> {
    let mut contents: Vec<Vec<u8>> = args.iter().map(Arg::bytes).collect();
    interpret(program, &mut buffers(&mut contents, args)).expect("the program is right");
    args.iter().zip(&contents).map(|(arg, bytes)| arg.with_bytes(bytes)).collect()
}

/// Every target that this machine can run.
pub(crate) fn targets() -> Vec<Arc<dyn TileTarget>> {
    let interpret = Interpret::host().expect("this machine is known");
    let isas = VectorIsa::supported().map(|isa| isa.target().expect("this machine is known"));
    isas.chain([Arc::new(interpret) as Arc<dyn TileTarget>]).collect()
}

pub(crate) fn compiled(
    target: Arc<dyn TileTarget>,
    program: &Arc<TileProgram>,
) -> (Code, *const u8) {
    let mut builder = ObjectBuilder::new(target).expect("this machine is known");
    let id = builder.tile(program);
    let code = link(builder.finish().expect("a tile compiles")).expect("nothing is missing");
    let address = code.address(id);
    (code, address)
}

/// Runs machine code on buffers between unmapped pages, once each buffer against the page after it
/// and once against the page before it.
pub(crate) fn executed(address: *const u8, args: &[Arg]) -> [Vec<Arg>; 2] {
    [Side::End, Side::Start].map(|side| {
        let buffers: Vec<Guarded> =
            args.iter().map(|arg| Guarded::new(&arg.bytes(), side)).collect();
        let words: Vec<i64> = args
            .iter()
            .zip(&buffers)
            .map(|(arg, buffer)| match arg {
                Arg::Count(n) => *n,
                _ => buffer.address(),
            })
            .collect();
        // SAFETY: the function was declared with as many parameters; the interpreter has shown that
        // it stays in its buffers, and if machine code does not, it meets an unmapped page.
        unsafe { call(address, &words) };
        args.iter().zip(&buffers).map(|(arg, buffer)| arg.with_bytes(buffer.bytes())).collect()
    })
}

/// Asserts that every instruction set gives the interpreter's results, and returns them.
pub(crate) fn check(program: TileProgram, args: &[Arg]) -> Vec<Arg> {
    check_where(program, args, |_| true)
}

/// As [`check`], on some of the instruction sets.
pub(crate) fn check_where(
    program: TileProgram,
    args: &[Arg],
    includes: impl Fn(&dyn TileTarget) -> bool,
) -> Vec<Arg> {
    let program = Arc::new(program);
    let expected = interpreted(&program, args);
    let compare = |name: &str, results: &[Arg]| {
        for (index, (result, expected)) in results.iter().zip(&expected).enumerate() {
            assert!(
                result.same(expected),
                "{name}: argument {index} is\n{result:?}, expected\n{expected:?} of\n{program}"
            );
        }
    };
    for target in targets().into_iter().filter(|target| includes(&**target)) {
        let name = target.name();
        let (_code, address) = compiled(target, &program);
        executed(address, args).iter().for_each(|results| compare(name, results));
    }
    #[cfg(target_arch = "x86_64")]
    for target in assembled().into_iter().filter(|target| includes(&**target)) {
        let name = target.name();
        compare(&format!("{name}, decoded again"), &emulated(&*target, &program, args));
    }
    expected
}

/// The instruction sets that are assembled, whether this machine has them or not.
#[cfg(target_arch = "x86_64")]
pub(crate) fn assembled() -> [Arc<dyn TileTarget>; 2] {
    [VectorIsa::Avx2, VectorIsa::Avx512].map(|isa| isa.target().expect("this machine is x86-64"))
}

/// The arguments after the emulator has run the assembled code: it decodes every instruction, and
/// checks every access.
#[cfg(target_arch = "x86_64")]
fn emulated(target: &dyn TileTarget, program: &Arc<TileProgram>, args: &[Arg]) -> Vec<Arg> {
    let code = target.compile(program, FuncId::from_u32(0), true).expect("a tile compiles");
    let mut contents: Vec<Vec<u8>> = args.iter().map(Arg::bytes).collect();
    let mut buffers = buffers(&mut contents, args);
    if let Err(problem) = crate::emulate::run(&code.bytes, &mut buffers) {
        let assembly = code.text.map(|text| text.assembly).unwrap_or_default();
        panic!("{}: {problem}\n{program}\n{assembly}", target.name());
    }
    args.iter().zip(&contents).map(|(arg, bytes)| arg.with_bytes(bytes)).collect()
}

fn buffers<'a>(contents: &'a mut [Vec<u8>], args: &[Arg]) -> Vec<Buffer<'a>> {
    contents
        .iter_mut()
        .zip(args)
        .map(|(bytes, arg)| match arg {
            Arg::Count(n) => Buffer::Count(*n),
            _ => Buffer::Bytes(bytes, 0),
        })
        .collect()
}

/// # Safety
/// The function takes as many 64-bit integers, and they are valid for what it does.
unsafe fn call(address: *const u8, args: &[i64]) {
    macro_rules! call {
        ($($arg:ident)*) => {{
            // SAFETY: the caller promises that this is the function's type.
            let function: unsafe extern "C" fn($(call!(@type $arg)),*) = unsafe { std::mem::transmute(address) };
            let [$($arg),*] = *args else { unreachable!("the arity has been matched") };
            // SAFETY: the caller promises valid arguments.
            unsafe { function($($arg),*) }
        }};
        (@type $arg:ident) => { i64 };
    }
    match args.len() {
        0 => call!(),
        1 => call!(a),
        2 => call!(a b),
        3 => call!(a b c),
        4 => call!(a b c d),
        5 => call!(a b c d e),
        6 => call!(a b c d e f),
        7 => call!(a b c d e f g),
        8 => call!(a b c d e f g h),
        n => panic!("no test needs {n} arguments"),
    }
}

#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
}

/// Bytes in pages between unmapped ones.
struct Guarded {
    map: *mut libc::c_void,
    map_len: usize,
    start: *mut u8,
    len: usize,
}

impl Guarded {
    fn new(bytes: &[u8], side: Side) -> Self {
        // SAFETY: no memory is touched.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })
            .expect("pages have a size");
        let inner = bytes.len().next_multiple_of(page).max(page);
        let map_len = inner + 2 * page;
        // SAFETY: a new private mapping overlaps nothing.
        let map = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), map_len, libc::PROT_NONE, flags, -1, 0)
        };
        assert_ne!(map, libc::MAP_FAILED, "there is address space");
        let first = map.cast::<u8>().wrapping_add(page);
        // SAFETY: the pages are inside of the mapping made above.
        let done =
            unsafe { libc::mprotect(first.cast(), inner, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(done, 0, "pages can be made writable");
        let start = match side {
            Side::Start => first,
            Side::End => first.wrapping_add(inner - bytes.len()),
        };
        // SAFETY: from `start` on there are as many writable bytes, in no other object.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Self { map, map_len, start, len: bytes.len() }
    }

    fn address(&self) -> i64 {
        self.start.expose_provenance() as i64
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the bytes are mapped and initialised, and no machine code is running.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's own.
        unsafe { libc::munmap(self.map, self.map_len) };
    }
}

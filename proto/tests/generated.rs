//! The generated code is checked in; this regenerates it and compares. `UPDATE_GENERATED=1` writes it instead.

use std::path::Path;
use std::{env, fs};

use prost::Message as _;

const FILES: [&str; 3] =
    ["istio/mixer/v1/mixer.proto", "mixer/checks/v1/checks.proto", "mixer/feed/v1/feed.proto"];
const STUBS: &str = "#[cfg(feature = \"grpc\")]";

#[test]
fn generated_code_is_what_the_proto_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(FILES, [root]).expect("the .proto files compile");
    let out = tempfile::tempdir().expect("a folder");
    fs::write(out.path().join("descriptors.bin"), descriptors.encode_to_vec()).expect("written");
    tonic_prost_build::configure()
        .out_dir(out.path())
        .btree_map(".")
        .bytes(".mixer.checks.v1.Question.request")
        // Written by hand: see `compressed.rs`.
        .extern_path(".istio.mixer.v1.CompressedAttributes", "crate::compressed::CompressedAttributes")
        .extern_path(".istio.mixer.v1.StringMap", "crate::compressed::StringMap")
        .client_mod_attribute(".", STUBS)
        .server_mod_attribute(".", STUBS)
        .compile_fds(descriptors)
        .expect("code is generated");

    let kept = root.join("src/generated");
    for entry in fs::read_dir(out.path()).expect("listed") {
        let new = entry.expect("read").path();
        let old = kept.join(new.file_name().expect("a file"));
        let (new, now) = (fs::read(&new).expect("read"), fs::read(&old).unwrap_or_default());
        if env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&old, new).expect("written");
        } else {
            assert!(new == now, "{} is out of date: run `cargo xtask codegen`", old.display());
        }
    }
}

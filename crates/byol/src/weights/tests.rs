use super::residual::another;
use super::*;
use crate::config::EncoderKind;
use crate::model::resnet::{FirstBranches, ResNetConfig, ResNetDepth};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn same(found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>, prefix: &str) {
    assert_eq!(found.len(), expected.len());
    for (name, tensor) in expected {
        let found = &found[&format!("{prefix}{name}")];
        assert_eq!((found.size(), found.kind()), (tensor.size(), tensor.kind()), "{name}");
        assert!(found.equal(tensor), "{name}");
    }
}

/// The files of `make_fixtures.py`, as PyTorch writes them.
#[test]
fn what_torch_saved_is_read() {
    let expected = read_weights(&fixture("expected.safetensors")).unwrap();
    for (name, prefix) in [("archive.pth", ""), ("old.pth", ""), ("nested.pth", "state_dict.")] {
        let file = read(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        same(&file.tensors, &expected, prefix);
        assert_eq!(file.sha256.len(), 64);
    }
}

/// Random states, sets, counters, bytes, sizes, devices, numbers of NumPy, arguments: passed over, and not run.
#[test]
fn what_stands_beside_the_weights_is_passed_over() {
    let expected = read_weights(&fixture("expected.safetensors")).unwrap();
    for name in ["beside.pth", "beside_protocol5.pth", "beside_old.pth"] {
        let mut file = read(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kinds = [("rng", Kind::Uint8), ("mask", Kind::Bool), ("wave", Kind::ComplexFloat)];
        for (beside, kind) in kinds {
            assert_eq!(file.tensors.remove(beside).map(|tensor| tensor.kind()), Some(kind), "{name}: {beside}");
        }
        same(&file.tensors, &expected, "state_dict.");
        assert!(file.passed_over.contains(&"argparse.Namespace".to_owned()), "{name}: {:?}", file.passed_over);
        assert!(!file.passed_over.iter().any(|passed| passed.starts_with("torch.")), "{name}: {:?}", file.passed_over);
    }
    let file = read(&fixture("beside.safetensors")).unwrap();
    assert_eq!(file.tensors.keys().collect::<Vec<_>>(), ["conv1.weight", "rng"]);
    let message = read(&fixture("float8.safetensors")).err().unwrap().to_string();
    assert!(message.contains("'conv1.weight' is of type F8_E4M3, which is not read; save it as float32"), "{message}");
}

/// Types without a storage class of their own: a parameter of one is named with its type, anything else is passed over.
#[test]
fn a_parameter_of_a_type_that_is_not_read_is_named_with_it() {
    for (name, kind) in [("float8.pth", "type float8_e4m3fn"), ("quantised.pth", "a quantised type")] {
        let message = read(&fixture(name)).err().unwrap().to_string();
        let expected = format!("'conv1.weight' is of {kind}, which is not read; save it as float32");
        assert!(message.contains(&expected), "{name}: {message}");
    }
    let file = read(&fixture("float8_beside.pth")).unwrap();
    assert_eq!(file.tensors.keys().collect::<Vec<_>>(), ["conv1.weight"]);
    assert_eq!(file.passed_over, [""; 0]);
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    // The length's first byte is 0x80, with which pickles begin, at 128 and at 28,800 (torchvision's ResNet-50).
    for length in [120, 128, 136, 28_800] {
        let mut header = br#"{"conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.to_vec();
        header.resize(length, b' ');
        let bytes = [&(length as u64).to_le_bytes(), header.as_slice(), &2.5f32.to_le_bytes()].concat();
        std::fs::write(&path, bytes).unwrap();
        let found = read(&path).unwrap().tensors;
        assert_eq!(found["conv1.weight"].double_value(&[0]), 2.5, "header of {length} bytes");
    }
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    for name in ["archive.pth", "old.pth"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for length in (0..bytes.len()).step_by(3) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(read(&path).is_err(), "{name} cut at {length}");
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            std::fs::write(&path, &damaged).unwrap();
            // Whatever it is taken for, it must not panic.
            let _ = read(&path);
        }
    }
}

/// A pickle of protocol 2 around `body`.
fn pickled(body: &[u8]) -> Vec<u8> {
    [b"\x80\x02", body, b"."].concat()
}

#[test]
fn no_function_is_run_that_a_state_dict_does_not_need() {
    let cases: [(&[u8], &str); 9] = [
        (b"cposix\nsystem\nX\x04\x00\x00\x00true\x85R", "asks to run posix.system"),
        (b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R", "asks to run builtins.eval"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "arguments that it does not take"),
        (b"\x8c\x02os\x8c\x06system\x93", "asks to run os.system"),
        (b"ccollections\nOrderedDict\n", ""),
        (b"itorch\nload\n", "instruction 0x69"),
        (b"}\x94K\x01h\x05", "never remembered"),
        (b"Nr\xff\xff\xff\x7f", "out of order"),
        (b"K\x01R", "takes a value where there is none"),
    ];
    for (body, words) in cases {
        match (pickle::read(&pickled(body)), words) {
            (Ok(_), "") => {}
            (Ok(found), _) => panic!("{body:?} was read as {found:?}"),
            (Err(reason), _) => assert!(!words.is_empty() && reason.contains(words), "{body:?}: {reason}"),
        }
    }
}

#[test]
fn nesting_and_repetition_cost_no_more_than_their_bytes() {
    // A million tuples inside one another.
    let mut body = vec![b')'];
    body.resize(1_000_000, 0x85);
    assert!(pickle::read(&pickled(&body)).is_ok());
    // Each dictionary holds the one before twice: 2^200 leaves.
    let mut body = b"}".to_vec();
    for last in 0..200 {
        body.extend(b"\x94}(X\x01\x00\x00\x00ah");
        body.push(last);
        body.extend(b"X\x01\x00\x00\x00bh");
        body.push(last);
        body.push(b'u');
    }
    let read = pickle::read(&pickled(&body)).unwrap();
    assert!(storage::named(&read).is_err());
}

#[test]
fn tensors_stay_inside_their_storages() {
    let strided = |offset, shape: &[i64], strides: &[i64]| pickle::Strided {
        storage: pickle::Storage { key: "0".to_owned(), element: storage::Element::Float, count: 6 },
        offset,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
        negated: false,
    };
    let bytes: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    let good = storage::tensor(&bytes, &strided(1, &[2, 2], &[1, 2])).unwrap();
    assert_eq!(Vec::<f32>::try_from(good.view(-1)).unwrap(), [1.0, 3.0, 2.0, 4.0]);
    let bad = [
        strided(3, &[2, 2], &[2, 1]),
        strided(6, &[1], &[1]),
        strided(0, &[1 << 40], &[0]),
        strided(0, &[i64::MAX, i64::MAX], &[1, 1]),
        strided(usize::MAX, &[1], &[1]),
        strided(0, &[2], &[i64::MAX]),
    ];
    for strided in bad {
        assert!(storage::tensor(&bytes, &strided).is_err(), "{strided:?}");
    }
    assert!(storage::tensor(&bytes[..20], &strided(0, &[1], &[1])).is_err());
}

/// Weights of an encoder with a last layer of `classes`, under a prefix.
fn network(config: EncoderConfig, classes: i64, prefix: &str) -> BTreeMap<String, Tensor> {
    let (encoder, layout) = Encoder::alone(config);
    let weights = crate::model::Weights::initialize(&layout, 1, 0, Device::Cpu);
    let mut named = weights.named();
    named.insert("fc.weight".to_owned(), Tensor::ones([classes, encoder.features()], (Kind::Float, Device::Cpu)));
    named.insert("fc.bias".to_owned(), Tensor::ones([classes], (Kind::Float, Device::Cpu)));
    named.insert("bn1.num_batches_tracked".to_owned(), Tensor::from(5i64));
    named.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

const NARROW: EncoderConfig = EncoderConfig::ResNet(ResNetConfig {
    depth: ResNetDepth::Eighteen,
    stem: StemKind::Imagenet,
    width: 0.0625,
    branches: FirstBranches::Whole,
});

fn fit(named: BTreeMap<String, Tensor>, classes: Option<usize>) -> Result<InitialWeights, WeightsError> {
    InitialWeights::fit(Path::new("w.pth"), named, Vec::new(), Fit { config: NARROW, classes })
}

#[test]
fn names_lose_their_prefix_and_the_last_layer_stays_where_it_fits() {
    for prefix in ["", "module.", "encoder.", "backbone.", "state_dict.module.backbone."] {
        let given = fit(network(NARROW, 10, prefix), Some(10)).unwrap();
        let wanted = network(NARROW, 10, "");
        assert_eq!(given.tensors.len(), wanted.len() - 1);
        assert!(given.tensors.iter().all(|(name, tensor)| tensor.equal(&wanted[name])));
        assert_eq!(given.notes.len(), usize::from(!prefix.is_empty()), "{:?}", given.notes);
    }
    let given = fit(network(NARROW, 1000, ""), Some(10)).unwrap();
    assert!(!given.tensors.contains_key("fc.weight"));
    assert_eq!(given.notes, [Notice::LastLayerLeftOut { outputs: 1000, classes: 10 }]);
    let mut with_head = network(NARROW, 10, "encoder.");
    with_head.insert("projector.0.weight".to_owned(), Tensor::from(1f32));
    let given = fit(with_head, None).unwrap();
    assert!(!given.tensors.contains_key("fc.weight"));
    assert_eq!(given.notes[1], Notice::OutsideLeftOut { tensors: 1, prefix: "encoder.".to_owned() });
}

#[test]
fn what_does_not_fit_is_named_with_what_would() {
    let words = |named, expected: &str| {
        let error = fit(named, Some(10)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let of = |kind, stem, width| network(EncoderConfig::new(kind, stem, width), 10, "");
    let imagenet = StemKind::Imagenet;
    words(of(EncoderKind::Resnet34, imagenet, 0.0625), "--set encoder=resnet34 has their form");
    words(of(EncoderKind::Resnet10, imagenet, 0.0625), "'layer1.1.bn1.bias' is missing; --set encoder=resnet10 has");
    words(of(EncoderKind::Resnet18, imagenet, 0.125), "--set width=0.125 has their form");
    words(
        of(EncoderKind::Resnet50, StemKind::Small, 0.125),
        "--set encoder=resnet50 --set stem=small --set width=0.125 has",
    );
    let shape = "has shape [8, 3, 7, 7] where the configured encoder has [4, 3, 7, 7]";
    let mut wide = network(NARROW, 10, "");
    wide.insert("conv1.weight".to_owned(), Tensor::zeros([8, 3, 7, 7], (Kind::Float, Device::Cpu)));
    words(wide.into_iter().collect(), shape);
    let mut bent = network(NARROW, 10, "");
    bent.insert("layer1.0.conv1.weight".to_owned(), Tensor::zeros([4, 2, 3, 3], (Kind::Float, Device::Cpu)));
    words(bent, "no encoder here has their form");
    let mut more = network(NARROW, 10, "");
    more.insert("layer1.0.se.weight".to_owned(), Tensor::from(1f32));
    let excited = "'layer1.0.se.weight' is not part of the configured encoder; they have squeeze-and-excitation layers (timm's \
                   seresnet50 and its like), and no encoder here has; the plain resnet18, 34 and 50";
    words(more, excited);
    let mut twice = network(NARROW, 10, "a.");
    twice.extend(network(NARROW, 10, "b."));
    twice.insert("b.conv1.weight".to_owned(), Tensor::zeros([4, 3, 7, 7], (Kind::Float, Device::Cpu)));
    words(twice, "hold several networks ('a.', 'b.')");
    let mut broken = network(NARROW, 10, "");
    broken.insert("bn1.bias".to_owned(), Tensor::from_slice(&[0f32, f32::NAN, 0.0, 0.0]));
    words(broken, "'bn1.bias' holds values that are no numbers");
    words(BTreeMap::from([("weight".to_owned(), Tensor::from(1f32))]), "hold no residual network");
    // timm's resnetv2_50 and resnet50d, and a network of group norm.
    let stages = BTreeMap::from([("stages.0.blocks.0.conv1.weight".to_owned(), Tensor::from(1f32))]);
    words(stages, "names there are stages.0.blocks.0.conv1.weight");
    let mut deep = network(NARROW, 10, "");
    let first = deep.remove("conv1.weight").unwrap();
    deep.insert("conv1.0.weight".to_owned(), first);
    words(deep, "'conv1.weight' is missing; they begin with three convolutions");
    let mut groups = network(NARROW, 10, "");
    groups.retain(|name, _| !name.contains("running"));
    words(groups, "'bn1.running_mean' is missing; they have no running statistics");
    let mut whole = network(NARROW, 10, "");
    whole.insert("conv1.weight".to_owned(), Tensor::zeros([4, 3, 7, 7], (Kind::Int8, Device::Cpu)));
    words(whole, "'conv1.weight' holds Int8 instead of numbers with a point; save them as float32");
}

/// The same network by other programs' names.
#[test]
fn names_of_other_programs_are_read_as_torchvisions() {
    let wanted = network(NARROW, 10, "");
    let renamed = |rename: &dyn Fn(&str) -> String| -> BTreeMap<String, Tensor> {
        wanted.iter().map(|(name, tensor)| (rename(name), tensor.shallow_clone())).collect()
    };
    let numbered = |numbers: [&'static str; 7], prefix: &'static str| {
        move |name: &str| {
            let parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"];
            let (child, rest) = name.split_once('.').unwrap();
            let place = parts.iter().position(|part| *part == child).unwrap();
            format!("{prefix}{}.{rest}", numbers[place])
        }
    };
    let hugging = |name: &str| {
        let name =
            name.replace("downsample.0", "shortcut.convolution").replace("downsample.1", "shortcut.normalization");
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            ["conv1", rest] => format!("resnet.embedder.embedder.convolution.{rest}"),
            ["bn1", rest] => format!("resnet.embedder.embedder.normalization.{rest}"),
            ["fc", rest] => format!("classifier.1.{rest}"),
            [stage, block, inner @ ..] => {
                let stage = stage["layer".len()..].parse::<usize>().unwrap() - 1;
                let inner = match inner {
                    [layer, rest] => {
                        let number = layer[layer.len() - 1..].parse::<usize>().unwrap() - 1;
                        let kind = if layer.starts_with("conv") { "convolution" } else { "normalization" };
                        format!("layer.{number}.{kind}.{rest}")
                    }
                    others => others.join("."),
                };
                format!("resnet.encoder.stages.{stage}.layers.{block}.{inner}")
            }
            _ => panic!("{name}"),
        }
    };
    let same_encoder = |named: BTreeMap<String, Tensor>, what: &str| {
        let given = fit(named, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(given.tensors.len(), wanted.len() - 3, "{what}");
        assert!(given.tensors.iter().all(|(name, tensor)| tensor.equal(&wanted[name])), "{what}");
        given.notes
    };
    // lightly's examples; without pooling and activations as modules; with the last layer.
    same_encoder(renamed(&numbered(["0", "1", "4", "5", "6", "7", "9"], "")), "children");
    same_encoder(renamed(&numbered(["0", "1", "2", "3", "4", "5", "6"], "state_dict.backbone.")), "few children");
    let notes = same_encoder(renamed(&numbered(["0", "1", "4", "5", "6", "7", "9"], "backbone.")), "prefix");
    assert!(notes.contains(&Notice::NumberedLayers), "{notes:?}");
    same_encoder(renamed(&|name| name.replace("downsample", "shortcut").replace("fc.", "linear.")), "shortcut");
    same_encoder(renamed(&hugging), "Hugging Face");

    // A network and what follows it; the same one by two names.
    let other = || network(EncoderConfig::new(EncoderKind::Resnet18, StemKind::Imagenet, 0.125), 10, "");
    for (online, target) in [
        ("online_encoder.net.", "target_encoder.net."),
        ("backbone.", "backbone_momentum."),
        ("student.", "teacher."),
        ("module.encoder_q.", "module.encoder_k."),
        ("state_dict.", "state_dict_ema."),
    ] {
        let mut both = renamed(&|name| format!("{online}{name}"));
        both.extend(other().into_iter().map(|(name, tensor)| (format!("{target}{name}"), tensor)));
        let notes = same_encoder(both, online);
        let is_target = |notice: &Notice| matches!(notice, Notice::AveragesLeftOut { averages, .. } if *averages == [target.to_owned()]);
        assert!(notes.iter().any(is_target), "{notes:?}");
    }
    let mut twice = renamed(&|name| format!("net.{name}"));
    twice.extend(renamed(&|name| format!("online_encoder.net.{name}")));
    same_encoder(twice, "twice");
}

#[test]
fn networks_of_the_same_names_and_another_kind_are_refused_where_the_file_tells() {
    let file = |name: &str| Path::new("/models").join(name);
    for (architecture, name, expected) in [
        (Some("resnetaa50"), "model.safetensors", true),
        (Some("resnetblur50"), "model.safetensors", true),
        (None, "resnetblur50_a1-6666.pth", true),
        (Some("resnet50"), "model.safetensors", false),
        (None, "resnet50_a1_0-14fe96d1.pth", false),
    ] {
        assert_eq!(another(architecture, &file(name)).is_some(), expected, "{architecture:?} {name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_weights(&path, &network(NARROW, 10, "")).unwrap();
    let plain = Experiment::preset("hour").unwrap();
    let narrow = Experiment { width: 0.0625, ..plain };
    InitialWeights::open(&path, &narrow, None).unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"architecture": "resnetaa50", "num_classes": 1000}"#)
        .unwrap();
    let message = InitialWeights::open(&path, &narrow, None).unwrap_err().to_string();
    assert!(message.contains("smooths before it strides (timm's resnetaa)"), "{message}");
}

#[test]
fn weights_tell_the_settings_that_go_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    write_weights(&path, &network(NARROW, 10, "encoder.")).unwrap();
    let settings = Source::find(&path).unwrap().settings().unwrap();
    let imagenet = ["mean=[0.485, 0.456, 0.406]", "deviation=[0.229, 0.224, 0.225]"];
    assert_eq!(settings, [&["encoder=resnet18", "stem=imagenet", "width=0.0625"][..], &imagenet].concat());
    let named = Source::find(Path::new("imagenet")).unwrap();
    let settings = named.settings().unwrap();
    let expected = ["encoder=resnet18", "stem=imagenet", "width=1.0", "image_size=224", "evaluation_crop=0.875"];
    assert_eq!(settings, [&expected[..], &imagenet].concat());
    // Resized to 232 and cropped to 224.
    let newer = Source::find(Path::new("resnet50")).unwrap().settings().unwrap();
    assert!(newer.contains(&"evaluation_crop=0.9655172413793104".to_owned()), "{newer:?}");
    // Stronger than a preset, weaker than what is typed.
    use crate::config::resolve::{Request, resolve};
    let set = ["image_size=96".to_owned()];
    let request = Request { preset: Some("demo"), over_preset: &settings, set: &set, ..Request::default() };
    let resolved = resolve(request).unwrap();
    assert_eq!((resolved.encoder, resolved.width, resolved.image_size), (EncoderKind::Resnet18, 1.0, 96));
    assert_eq!((resolved.mean, resolved.evaluation_crop), (IMAGENET.mean, 0.875));
    // A run that goes on, and whatever else begins with its weights, has those of the run.
    assert!(settings_of(&resolved).contains(&"evaluation_crop=0.875".to_owned()));
    assert!(settings_of(&Experiment::preset("demo").unwrap()).contains(&"evaluation_crop=1.0".to_owned()));

    let message = Source::find(Path::new("resnet81")).unwrap_err().to_string();
    assert!(message.contains("the names are imagenet, resnet18, resnet34, resnet50, "), "{message}");
    assert!(message.ends_with("; did you mean 'resnet18'?"), "{message}");
}

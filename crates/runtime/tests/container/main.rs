//! Containers with a busybox root on the real kernel. Needs root.

mod bench;

use bench::Bench;
use gantry_runtime_lib::RuntimeErrorKind;

#[test]
fn a_command_runs_in_its_own_namespaces_and_root() {
    let mut bench = Bench::new(&["sh", "-c", "id -u; hostname; echo $$; ls /; echo hi > /x"]);
    bench.process().env.push("A=b".to_owned());
    let outcome = bench.run().unwrap();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.output.starts_with("0\nbox\n1\nbin\n"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(bench.path("upper/x")).unwrap(), "hi\n");
}

#[test]
fn exit_codes_and_signals_come_through() {
    assert_eq!(Bench::new(&["sh", "-c", "exit 7"]).run().unwrap().code, 7);
    assert_eq!(Bench::new(&["sh", "-c", "sleep 1000 & kill -9 $!; wait $!"]).run().unwrap().code, 137);
}

#[test]
fn failures_arrive_in_dockers_words() {
    let fail = |args: &[&str]| {
        let error = Bench::new(args).run().unwrap_err();
        (error.message(), error.runtime_kind())
    };
    assert_eq!(
        fail(&["nosuch"]),
        (
            "exec: \"nosuch\": executable file not found in $PATH".to_owned(),
            RuntimeErrorKind::CommandNotFound
        )
    );
    assert_eq!(
        fail(&["/nosuch"]),
        (
            "exec: \"/nosuch\": stat /nosuch: no such file or directory".to_owned(),
            RuntimeErrorKind::CommandNotFound
        )
    );
    assert_eq!(
        fail(&["/etc/passwd"]),
        (
            "exec: \"/etc/passwd\": permission denied".to_owned(),
            RuntimeErrorKind::CommandNotExecutable
        )
    );
    assert_eq!(fail(&["/etc"]).1, RuntimeErrorKind::CommandNotExecutable);
}

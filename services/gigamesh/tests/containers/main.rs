//! The stack of `docker-compose.yml` in genuine containers. Needs a Docker engine and is built with
//! the feature `docker` alone; `cargo xtask stack` runs it, or says that there is no engine.

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Output};

    const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";
    /// Building the image from nothing takes longest.
    const START_WITHIN: &str = "300";

    /// A project of its own, beside whatever else runs; taken down with its volumes on drop.
    struct Project {
        name: String,
        port: u16,
    }

    impl Project {
        fn new() -> Self {
            // Free a moment ago, which is all that can be known before a container takes it.
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            Self { name: format!("gigamesh-test-{}", std::process::id()), port }
        }

        fn compose(&self, words: &[&str]) -> Output {
            let mut command = Command::new("docker");
            command.args(["compose", "--project-name", &self.name]).args(words);
            command.env("GIGAMESH_TOKEN", TOKEN).env("GIGAMESH_PORT", self.port.to_string());
            command.current_dir(stack::root()).output().unwrap()
        }

        fn up(&self) {
            let up = ["up", "--build", "--wait", "--wait-timeout", START_WITHIN];
            let ended = self.compose(&up);
            if !ended.status.success() {
                let logs = self.compose(&["logs", "--no-color", "--tail", "50"]);
                panic!("{}\n{}", said(&ended.stderr), said(&logs.stdout));
            }
        }

        fn gigamesh(&self, words: &[&str]) -> String {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
            command.args(words).current_dir(stack::root()).env("GIGAMESH_TOKEN", TOKEN);
            command.env("GIGAMESH_URL", format!("http://127.0.0.1:{}", self.port));
            let ended = command.output().unwrap();
            assert!(ended.status.success(), "{words:?}: {}", said(&ended.stderr));
            said(&ended.stdout)
        }
    }

    impl Drop for Project {
        fn drop(&mut self) {
            let _gone = self.compose(&["down", "--volumes", "--remove-orphans"]);
        }
    }

    fn said(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn the_stack_in_containers_ships_a_job_and_keeps_it_through_down_and_up() {
        let project = Project::new();
        project.up();
        let shipped = project.gigamesh(&["submit", "examples/hello.md", "--wait"]);
        assert!(shipped.contains("\"shipped\""), "{shipped}");
        let down = project.compose(&["down"]);
        assert!(down.status.success(), "{}", said(&down.stderr));
        project.up();
        let kept = project.gigamesh(&["list", "--stage", "shipped", "-o", "name"]);
        assert_eq!(kept.lines().count(), 1, "{kept}");
        assert!(project.gigamesh(&["verify"]).contains("fleet/v1"));
    }
}

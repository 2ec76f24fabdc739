import FairleadTestKit
import Testing

/// What is installed on a node: the systemd unit, the Debian package, the root file system of the container.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PackagingTests {
    @Test("systemd accepts the unit and finds little that it could still take away")
    func unit() async throws {
        let directory = try TemporaryDirectory()
        let text = try await Repository.text(of: "docs/deploy/fairlead.service")
        // The package puts the program there; here it is somewhere else.
        let program = try FairleadCommand().path
        let unit = try directory.write(
            text.split(separator: "\n", omittingEmptySubsequences: false)
                .map {
                    $0.hasPrefix("ExecStart=/usr/bin/fairlead") ? "ExecStart=\(program)\($0.dropFirst(27))" : "\($0)"
                }
                .joined(separator: "\n"), to: "fairlead.service")
        let complaints = try await Repository.run("sh", ["-c", "systemd-analyze verify --man=no \(unit) 2>&1"])
        #expect(complaints == "")
        // 10 is unprotected; over 3.0 systemd-analyze fails.
        try await Repository.run("systemd-analyze", ["security", "--offline=true", "--threshold=30", unit])
    }

    @Test("the unit comes after the firewall's services, which may flush the ruleset, and is no part of them")
    func unitOrder() async throws {
        let unit = try await Repository.text(of: "docs/deploy/fairlead.service")
        func values(_ key: String) -> [Substring] {
            unit.split(separator: "\n").filter { $0.hasPrefix("\(key)=") }
                .flatMap { $0.dropFirst(key.count + 1).split(separator: " ") }
        }
        for service in ["nftables.service", "firewalld.service", "ufw.service"] {
            #expect(values("After").contains(Substring(service)), "\(service)")
            for key in ["PartOf", "BindsTo", "Requires", "Requisite"] {
                #expect(!values(key).contains(Substring(service)), "\(key)=\(service)")
            }
        }
    }

    @Test("every option that the unit's example passes is one that the program knows")
    func unitOptions() async throws {
        let text = try await Repository.text(of: "docs/deploy/fairlead.default")
        let flags = Set(text.split { " \"=\n".contains($0) }.filter { $0.hasPrefix("--") && $0 != "--help" })
        #expect(flags.contains("--manifests"))
        let help = try await Repository.run(FairleadCommand().path, ["run", "--help-hidden"])
        for flag in flags { #expect(help.contains("\(flag) "), "\(flag)") }
    }

    @Test("the Debian package has program, unit and documentation, and depends on the libraries")
    func debianPackage() async throws {
        let directory = try TemporaryDirectory()
        let binary = try FairleadCommand().path
        try await Repository.run(Repository.path("Scripts/package-deb"), ["--binary", binary, directory.path])
        let said = try await Repository.run(binary, ["--version"])
        // A version in Debian's sense has no commit in brackets.
        let version = said.prefix { $0 != " " }
        let arch = try await Repository.run("dpkg", ["--print-architecture"]).split(separator: "\n").joined()
        let package = "\(directory.path)/fairlead_\(version)_\(arch).deb"
        let fields = try await Repository.run("dpkg-deb", ["--field", package, "Depends"])
        // With versions: what a newer Debian's libraries have is no use on an older one.
        for library in ["libnftnl11 (>= ", "libmnl0 (>= ", "libyaml-0-2", "libc6 (>= "] {
            #expect(fields.contains(library), "\(fields)")
        }
        let unpacked = "\(directory.path)/unpacked"
        try await Repository.run("dpkg-deb", ["--extract", package, unpacked])
        let ran = try await Repository.run("\(unpacked)/usr/bin/fairlead", ["--version"])
        #expect(ran == said)
        let files = try await Repository.run("sh", ["-c", "cd \(unpacked) && find . -type f"])
        for file in [
            "usr/lib/systemd/system/fairlead.service", "etc/default/fairlead", "usr/share/doc/fairlead/copyright",
        ] {
            #expect(files.contains("./\(file)\n"), "\(file)")
        }
    }

    @Test(
        "a build that is told its commit hands it to the program, and takes no other text for one",
        arguments: [("0f26c11d5a3e", true), ("", false), ("main branch", false), ("$(id)", false)])
    func commit(told: String, counts: Bool) async throws {
        let arguments = ["package", "--ignore-lock", "--package-path", Repository.root, "dump-package"]
        let package = try await Repository.run("swift", arguments, environment: ["FAIRLEAD_COMMIT": told])
        #expect(package.contains("\"FL_COMMIT=\(told)\"") == counts)
        #expect(package.contains("FL_COMMIT") == counts)
    }

    @Test("the scripts tell the commit of a tree without changes, and none for one with changes")
    func commitOfTree() async throws {
        let tree = try TemporaryDirectory()
        let git = "git -c user.name=test -c user.email=test -c commit.gpgsign=false -C \(tree.path)"
        try await Repository.run(
            "sh",
            [
                "-c",
                """
                set -e; mkdir \(tree.path)/Scripts; cp \(Repository.path("Scripts/commit")) \(tree.path)/Scripts/
                \(git) init -q; \(git) add .; \(git) commit -q -m first
                """,
            ])
        let script = "\(tree.path)/Scripts/commit"
        let head = try await Repository.run("sh", ["-c", "\(git) rev-parse HEAD"])
        let told = try await Repository.run(script, []).split(separator: "\n").joined()
        #expect(told.count >= 12 && head.hasPrefix(told))
        let added = try tree.write("new", to: "added.swift")
        #expect(try await Repository.run(script, []) == "", "a file that the commit does not have")
        try await Repository.run("sh", ["-c", "rm \(added); echo >> \(script)"])
        #expect(try await Repository.run(script, []) == "", "a file that is not as the commit has it")
        try await Repository.run("rm", ["-r", "\(tree.path)/.git"])
        #expect(try await Repository.run(script, []) == "", "no repository")
    }

    /// Runs the program as a container does: with this root, and a /proc.
    private func inside(_ root: String, _ arguments: String) async throws -> String {
        // What a sanitizer's options name is not there.
        let program = "env -u TSAN_OPTIONS chroot \(root) /usr/bin/fairlead \(arguments)"
        let command = "mount --bind /proc \(root)/proc && \(program)"
        // In a mount namespace of its own, which ends with it.
        return try await Repository.run("unshare", ["--mount", "sh", "-c", command])
    }

    @Test("the container's root file system is enough to run the program, and has no shell")
    func rootFileSystem() async throws {
        let directory = try TemporaryDirectory()
        let root = "\(directory.path)/root"
        let binary = try FairleadCommand().path
        try await Repository.run(Repository.path("Scripts/rootfs"), ["--binary", binary, root])
        let version = try await inside(root, "--version")
        #expect(version == (try await Repository.run(binary, ["--version"])))
        try await Repository.run(
            "sh", ["-c", "cp \(Repository.path("docs/samples"))/*.yaml \(root)/tmp/"])
        let rules = try await inside(root, "render --manifests /tmp --node-name node1")
        #expect(rules.contains("table ip fairlead"))
        let shells = try await Repository.run("find", [root, "-name", "*sh", "-type", "f"])
        #expect(shells == "")
    }
}

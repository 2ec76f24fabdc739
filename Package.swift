// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// A pure target: values in, values out. `Scripts/lint` keeps I/O out of it.
func pure(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// `FAIRLEAD_COMMIT` of the environment is the commit that is built; `fairlead --version` says it. The scripts that make packages set it.
let commit: [CSetting] =
    Context.environment["FAIRLEAD_COMMIT"]
    .flatMap { $0.isEmpty || !$0.allSatisfy({ $0.isASCII && $0.isHexDigit }) ? nil : [.define("FL_COMMIT", to: $0)] }
    ?? []

let package = Package(
    name: "fairlead",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "fairlead", targets: ["fairlead"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // Pure stages.
        pure("NetworkTypes"),
        pure("KubernetesModel", ["NetworkTypes"]),
        pure("Netfilter", ["NetworkTypes"]),
        pure("ServicePolicy", ["KubernetesModel", "NetworkTypes"]),
        pure("ServiceDataplane", ["ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes"]),
        pure("LoadBalancing", ["ServicePolicy", "KubernetesModel", "NetworkTypes"]),
        pure("PacketPath", ["ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes"]),
        pure("KubernetesWire", ["KubernetesModel", "NetworkTypes"]),
        pure("Telemetry", ["ServicePolicy", "KubernetesModel", "NetworkTypes"]),
        pure("Advice", ["ServicePolicy", "KubernetesModel", "NetworkTypes"]),

        // C: the shims, and the system libraries they wrap.
        .systemLibrary(
            name: "CNftnl", pkgConfig: "libnftnl libmnl", providers: [.apt(["libnftnl-dev", "libmnl-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CRapidJSON", pkgConfig: "RapidJSON", providers: [.apt(["rapidjson-dev"])]),
        .target(name: "CManifest", dependencies: ["CYAML", "CRapidJSON"]),
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")] + commit),

        // The shell: everything that does I/O.
        .target(name: "SystemSupport", dependencies: ["CLinux"], swiftSettings: strict),
        .target(
            name: "NetlinkTransport", dependencies: ["Netfilter", "NetworkTypes", "SystemSupport", "CNftnl", "CLinux"],
            swiftSettings: strict),
        .target(
            name: "ManifestSource",
            dependencies: ["KubernetesModel", "NetworkTypes", "SystemSupport", "CManifest", "CLinux"],
            swiftSettings: strict),
        .target(
            name: "KubernetesConfiguration",
            dependencies: ["ManifestSource", "KubernetesModel", "NetworkTypes"], swiftSettings: strict),
        .target(
            name: "KubernetesClient",
            dependencies: [
                "KubernetesConfiguration", "KubernetesWire", "KubernetesModel", "NetworkTypes", "SystemSupport",
                "CLinux",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .target(
            name: "Reconciliation",
            dependencies: [
                "Telemetry", "ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .target(
            name: "Observability",
            dependencies: [
                "Telemetry", "ServicePolicy", "KubernetesModel", "NetworkTypes", "SystemSupport", "CLinux",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            // The status page is in the program, so that nothing has to be installed beside it.
            resources: [
                .embedInCode("Page/page.html"), .embedInCode("Page/page.css"), .embedInCode("Page/page.js"),
                .embedInCode("Page/charts.js"),
            ],
            swiftSettings: strict),
        .target(name: "Terminal", dependencies: ["SystemSupport", "CLinux"], swiftSettings: strict),

        // The program: the daemon with what it finds on its node, and the command line over it.
        .target(
            name: "NodeAgent",
            dependencies: [
                "Terminal", "Observability", "Telemetry", "Reconciliation", "PacketPath", "ServiceDataplane",
                "ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes", "NetlinkTransport", "ManifestSource",
                "KubernetesConfiguration", "KubernetesClient", "SystemSupport", "CLinux",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .target(
            name: "FairleadCommands",
            dependencies: [
                "NodeAgent", "Observability", "Terminal", "Telemetry", "Reconciliation", "PacketPath",
                "ServiceDataplane", "ServicePolicy", "LoadBalancing", "Advice", "KubernetesModel", "Netfilter",
                "NetworkTypes",
                "NetlinkTransport", "ManifestSource", "KubernetesConfiguration", "KubernetesClient", "SystemSupport",
                "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "fairlead",
            dependencies: ["FairleadCommands", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict),

        // Tests of the pure stages; they run anywhere.
        .testTarget(name: "NetworkTypesTests", dependencies: ["NetworkTypes"], swiftSettings: strict),
        .testTarget(
            name: "KubernetesModelTests", dependencies: ["KubernetesModel", "NetworkTypes", "DataplaneTestKit"],
            swiftSettings: strict),
        .testTarget(
            name: "ServicePolicyTests",
            dependencies: ["ServicePolicy", "KubernetesModel", "NetworkTypes", "DataplaneTestKit"],
            swiftSettings: strict),

        .testTarget(
            name: "LoadBalancingTests",
            dependencies: [
                "LoadBalancing", "ServicePolicy", "KubernetesModel", "NetworkTypes", "DataplaneTestKit", "FuzzKit",
            ], exclude: ["Corpus"], swiftSettings: strict),

        .testTarget(
            name: "TelemetryTests",
            dependencies: ["Telemetry", "ServicePolicy", "KubernetesModel", "NetworkTypes", "FairleadTestKit"],
            swiftSettings: strict),

        // Rules by themselves, example clusters, and the command over manifests and over an API server.
        .testTarget(
            name: "AdviceTests",
            dependencies: [
                "Advice", "ManifestSource", "KubernetesModel", "NetworkTypes", "APIServerKit", "FairleadTestKit",
                "fairlead",
            ], swiftSettings: strict),

        // Tests with real files and sockets.
        .target(name: "FuzzKit", dependencies: ["DataplaneTestKit"], path: "Tests/FuzzKit", swiftSettings: strict),
        .testTarget(
            name: "ManifestSourceTests",
            dependencies: ["ManifestSource", "KubernetesModel", "NetworkTypes", "FuzzKit"], exclude: ["Corpus"],
            swiftSettings: strict),

        .testTarget(
            name: "ObservabilityTests",
            dependencies: [
                "Observability", "Telemetry", "ServicePolicy", "FairleadTestKit", "KubernetesModel", "NetworkTypes",
                "FuzzKit",
            ], exclude: ["Corpus"], swiftSettings: strict),

        // The Kubernetes API: its bytes, its configuration files, and a client against a server that misbehaves.
        .testTarget(
            name: "KubernetesWireTests",
            dependencies: [
                "KubernetesWire", "KubernetesModel", "NetworkTypes", "WireTestKit", "DataplaneTestKit", "FuzzKit",
            ], swiftSettings: strict),
        .target(
            name: "WireTestKit", dependencies: ["KubernetesModel", "NetworkTypes"], path: "Tests/WireTestKit",
            swiftSettings: strict),
        .testTarget(
            name: "KubernetesConfigurationTests",
            dependencies: [
                "KubernetesConfiguration", "KubernetesModel", "NetworkTypes", "FairleadTestKit", "FuzzKit",
            ], exclude: ["Corpus"], swiftSettings: strict),
        .target(
            name: "APIServerKit",
            dependencies: [
                "WireTestKit", "FairleadTestKit", "KubernetesModel", "NetworkTypes",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ], path: "Tests/APIServerKit", swiftSettings: strict),
        .testTarget(
            name: "KubernetesClientTests",
            dependencies: [
                "KubernetesClient", "KubernetesConfiguration", "KubernetesWire", "KubernetesModel", "NetworkTypes",
                "APIServerKit", "WireTestKit", "FairleadTestKit", "DataplaneTestKit", "FuzzKit",
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
            ], exclude: ["Corpus"], swiftSettings: strict),

        // Packets through real network namespaces: the harness, its own test, and the test of the product.
        .target(name: "CTestKit", path: "Tests/CTestKit", cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "FairleadTestKit", dependencies: ["NetworkTypes", "CLinux", "CTestKit"],
            path: "Tests/FairleadTestKit",
            swiftSettings: strict),
        .testTarget(name: "TestKitTests", dependencies: ["FairleadTestKit", "NetworkTypes"], swiftSettings: strict),
        .testTarget(
            name: "PacketTests",
            dependencies: [
                "APIServerKit", "DataplaneTestKit", "FairleadTestKit", "ManifestSource", "KubernetesModel",
                "KubernetesWire", "WireTestKit", "ServicePolicy", "NetworkTypes", "fairlead", "fairlead-bench",
            ], exclude: ["Upgrade"], swiftSettings: strict),
        .testTarget(
            name: "LoadBalancerTests",
            dependencies: [
                "FairleadTestKit", "APIServerKit", "ManifestSource", "KubernetesModel", "NetworkTypes", "fairlead",
                "fairlead-lab",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DeploymentTests", dependencies: ["FairleadTestKit", "NetworkTypes", "fairlead"],
            swiftSettings: strict),
        // The daemon's parts and the command line, without running them.
        .testTarget(
            name: "NodeAgentTests",
            dependencies: [
                "NodeAgent", "Reconciliation", "ServiceDataplane", "Telemetry", "KubernetesModel", "ManifestSource",
                "Observability", "PacketPath", "ServicePolicy", "Netfilter", "NetworkTypes", "FairleadTestKit",
                "FuzzKit",
                .product(name: "Logging", package: "swift-log"),
            ], exclude: ["Corpus"], swiftSettings: strict),
        .testTarget(
            name: "FairleadCommandsTests",
            dependencies: [
                "FairleadCommands", "KubernetesConfiguration", "NodeAgent", "Reconciliation", "ServiceDataplane",
                "Telemetry", "NetworkTypes", "FairleadTestKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "fairlead-lab",
            dependencies: [
                "FairleadTestKit", "NetworkTypes", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Lab", swiftSettings: strict),
        .executableTarget(
            name: "fairlead-bench",
            dependencies: [
                "APIServerKit", "FairleadTestKit", "ManifestSource", "KubernetesModel", "NetworkTypes", "Terminal",
                "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Bench", swiftSettings: strict),

        .target(name: "CProbe", path: "Tests/CProbe"),
        .executableTarget(
            name: "fairlead-probe",
            dependencies: [
                "Reconciliation", "NetlinkTransport", "ServiceDataplane", "KubernetesModel", "Netfilter",
                "NetworkTypes", "FairleadTestKit", "CProbe",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Probe", swiftSettings: strict),

        // The dataplane: plans against a simulated kernel, and the real one as referee.
        .target(
            name: "DataplaneTestKit",
            dependencies: ["ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes"],
            path: "Tests/DataplaneTestKit", swiftSettings: strict),
        .testTarget(
            name: "NetfilterTests", dependencies: ["Netfilter", "NetworkTypes"], swiftSettings: strict),
        .testTarget(
            name: "ServiceDataplaneTests",
            dependencies: [
                "ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter", "NetworkTypes", "DataplaneTestKit",
            ], swiftSettings: strict),
        .testTarget(
            name: "PacketPathTests",
            dependencies: [
                "PacketPath", "Reconciliation", "ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter",
                "NetworkTypes",
                "DataplaneTestKit",
            ], swiftSettings: strict),
        .testTarget(
            name: "NetlinkTransportTests",
            dependencies: [
                "NetlinkTransport", "Reconciliation", "ServiceDataplane", "ServicePolicy", "KubernetesModel",
                "Netfilter", "NetworkTypes", "CLinux", "FairleadTestKit", "DataplaneTestKit", "FuzzKit",
            ], swiftSettings: strict),
        .testTarget(
            name: "ReconciliationTests",
            dependencies: [
                "Reconciliation", "Telemetry", "ServiceDataplane", "ServicePolicy", "KubernetesModel", "Netfilter",
                "NetworkTypes",
                "DataplaneTestKit",
            ], swiftSettings: strict),
    ]
)

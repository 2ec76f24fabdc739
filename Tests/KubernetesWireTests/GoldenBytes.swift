/// Bytes that were not made by this project: `protoc` encoded the text that stands beside them, with the official
/// definitions, such as
///
///     protoc --encode=k8s.io.api.core.v1.ServiceList k8s.io/api/core/v1/generated.proto
///
/// The envelope (`k8s.io.apimachinery.pkg.runtime.Unknown`) and the event (`….meta.v1.WatchEvent`) around an object were
/// encoded in the same way, with the bytes of what they hold as `raw`; `protoc` 3.21.12, definitions of July 2026.
struct Golden {
    /// The message, in protobuf's text format.
    let text: String
    /// The body or the frame.
    let bytes: [UInt8]

    private init(_ text: String, hex: String) {
        self.text = text
        var digits = hex.filter(\.isHexDigit)[...]
        var bytes: [UInt8] = []
        while let byte = UInt8(digits.prefix(2), radix: 16) {
            bytes.append(byte)
            digits = digits.dropFirst(2)
        }
        self.bytes = bytes
    }

    /// The body of a page of Services: one of type LoadBalancer with every field, and a headless one.
    static let services = Golden(
        """
        k8s.io.api.core.v1.ServiceList {
          metadata { selfLink: "" resourceVersion: "4711" continue: "abc" remainingItemCount: 12 }
          items {
            metadata {
              name: "web" namespace: "shop" uid: "4c6d" resourceVersion: "4000" generation: 3
              creationTimestamp { seconds: 1706704496 nanos: 0 }
              labels { key: "app" value: "web" }
              labels { key: "service.kubernetes.io/service-proxy-name" value: "other" }
              annotations { key: "fairlead.dev/external-traffic" value: "prefer-local" }
              ownerReferences { kind: "Shop" name: "main" uid: "77" apiVersion: "example.com/v1"
                controller: true }
              finalizers: "service.kubernetes.io/load-balancer-cleanup"
              managedFields { manager: "kubectl" operation: "Update" apiVersion: "v1" fieldsV1 { Raw: "{}" } }
            }
            spec {
              ports { name: "http" protocol: "TCP" port: 80 targetPort { type: 1 intVal: 0 strVal: "web" }
                nodePort: 30080 appProtocol: "http" }
              ports { name: "dns" protocol: "UDP" port: 53 targetPort { type: 0 intVal: 5353 strVal: "" }
                nodePort: 30053 }
              selector { key: "app" value: "web" }
              clusterIP: "10.96.0.10" type: "LoadBalancer" externalIPs: "192.0.2.10"
                sessionAffinity: "ClientIP"
              loadBalancerIP: "198.51.100.9" loadBalancerSourceRanges: "203.0.113.0/24" externalName: ""
              externalTrafficPolicy: "Local" healthCheckNodePort: 32000 publishNotReadyAddresses: true
              sessionAffinityConfig { clientIP { timeoutSeconds: 600 } }
              ipFamilyPolicy: "PreferDualStack" clusterIPs: "10.96.0.10" clusterIPs: "fd00:10::a"
                ipFamilies: "IPv4" ipFamilies: "IPv6"
              allocateLoadBalancerNodePorts: true loadBalancerClass: "example.com/lb"
                internalTrafficPolicy: "Local"
              trafficDistribution: "PreferClose"
            }
            status {
              loadBalancer {
                ingress { ip: "198.51.100.1" hostname: "" ipMode: "VIP" ports { port: 80 protocol: "TCP" } }
                ingress { ip: "" hostname: "lb.example.com" }
                ingress { ip: "2001:db8::1" hostname: "" ipMode: "Proxy" }
              }
              conditions { type: "Ready" status: "True" observedGeneration: 3 reason: "x" message: "y"
                lastTransitionTime { seconds: 5 nanos: 0 } }
            }
          }
          items {
            metadata { name: "db" namespace: "shop" resourceVersion: "17" creationTimestamp { } }
            spec { clusterIP: "None" type: "ClusterIP" sessionAffinity: "None" clusterIPs: "None"
              internalTrafficPolicy: "Cluster" }
            status { loadBalancer { } }
          }
        }
        """,
        hex: """
            6b3873000a110a027631120b536572766963654c69737412dc050a0f0a001204343731311a03616263200c1286050a80020a0377
            65621a0473686f702a04346336643204343030303803420808f0fce8ad0610005a0a0a0361707012037765625a310a2873657276
            6963652e6b756265726e657465732e696f2f736572766963652d70726f78792d6e616d6512056f74686572622d0a1d666169726c
            6561642e6465762f65787465726e616c2d74726166666963120c7072656665722d6c6f63616c6a220a0453686f701a046d61696e
            220237372a0e6578616d706c652e636f6d2f76313001722b736572766963652e6b756265726e657465732e696f2f6c6f61642d62
            616c616e6365722d636c65616e75708a011b0a076b75626563746c12065570646174651a0276313a040a027b7d1293020a220a04
            68747470120354435018502209080110001a037765622880eb013204687474700a190a03646e73120355445018352207080010e9
            291a0028e5ea01120a0a0361707012037765621a0a31302e39362e302e3130220c4c6f616442616c616e6365722a0a3139322e30
            2e322e31303a08436c69656e744950420c3139382e35312e3130302e394a0e3230332e302e3131332e302f323452005a054c6f63
            616c6080fa01680172050a0308d8048a010f5072656665724475616c537461636b92010a31302e39362e302e313092010a666430
            303a31303a3a619a0104495076349a010449507636a00101aa010e6578616d706c652e636f6d2f6c62b201054c6f63616cba010b
            507265666572436c6f73651a6b0a4c0a1e0a0c3139382e35312e3130302e3112001a035649502207085012035443500a120a0012
            0e6c622e6578616d706c652e636f6d0a160a0b323030313a6462383a3a3112001a0550726f7879121b0a05526561647912045472
            756518032204080510002a017832017912400a100a0264621a0473686f7032023137420012281a044e6f6e652209436c75737465
            7249503a044e6f6e659201044e6f6e65b20107436c75737465721a020a001a002200
            """)

    /// A frame of a watch: an EndpointSlice that was added.
    static let slice = Golden(
        """
        k8s.io.api.discovery.v1.EndpointSlice {
          metadata {
            name: "web-x7k2p" generateName: "web-" namespace: "shop" resourceVersion: "4712"
            labels { key: "kubernetes.io/service-name" value: "web" }
            labels { key: "service.kubernetes.io/headless" value: "" }
            annotations { key: "endpoints.kubernetes.io/last-change-trigger-time"
              value: "2024-01-31T12:34:56Z" }
          }
          endpoints {
            addresses: "fd00:10:1::5" conditions { ready: true serving: true terminating: false }
              hostname: "web-0"
            targetRef { kind: "Pod" namespace: "shop" name: "web-0" uid: "12" }
            nodeName: "worker-with-a-long-name-1" zone: "eu-central-1a"
            hints { forZones { name: "eu-central-1a" } forZones { name: "eu-central-1b" } forNodes {
              name: "worker-with-a-long-name-1" } }
          }
          endpoints { addresses: "fd00:10:1::6" addresses: "fd00:10:1::7" conditions { ready: false
            serving: false terminating: true } deprecatedTopology { key: "x" value: "y" } }
          endpoints { addresses: "fd00:10:1::8" conditions { } }
          ports { name: "http" protocol: "TCP" port: 8080 appProtocol: "http" }
          ports { name: "sctp" protocol: "SCTP" }
          addressType: "IPv6"
        }
        """,
        hex: """
            000001fc0a05414444454412f2030aef036b3873000a240a13646973636f766572792e6b38732e696f2f7631120d456e64706f69
            6e74536c69636512be030aae010a097765622d78376b327012047765622d1a0473686f703204343731325a210a1a6b756265726e
            657465732e696f2f736572766963652d6e616d6512037765625a220a1e736572766963652e6b756265726e657465732e696f2f68
            6561646c657373120062480a30656e64706f696e74732e6b756265726e657465732e696f2f6c6173742d6368616e67652d747269
            676765722d74696d651214323032342d30312d33315431323a33343a35365a12a0010a0c666430303a31303a313a3a3512060801
            100118001a057765622d3022160a03506f64120473686f701a057765622d30220231323219776f726b65722d776974682d612d6c
            6f6e672d6e616d652d313a0d65752d63656e7472616c2d3161423f0a0f0a0d65752d63656e7472616c2d31610a0f0a0d65752d63
            656e7472616c2d3162121b0a19776f726b65722d776974682d612d6c6f6e672d6e616d652d31122c0a0c666430303a31303a313a
            3a360a0c666430303a31303a313a3a3712060800100018012a060a017812017912100a0c666430303a31303a313a3a3812001a14
            0a0468747470120354435018903f2204687474701a0c0a04736374701204534354502204495076361a002200
            """)

    /// A frame of a watch: a Node that was modified, and is being deleted.
    static let node = Golden(
        """
        k8s.io.api.core.v1.Node {
          metadata {
            name: "worker-1" resourceVersion: "99" deletionTimestamp { seconds: 1706704496 nanos: 0 }
            labels { key: "topology.kubernetes.io/zone" value: "eu-central-1a" }
          }
          spec {
            podCIDR: "10.128.1.0/24" externalID: "" providerID: "x://1" unschedulable: true
            taints { key: "ToBeDeletedByClusterAutoscaler" value: "1" effect: "NoSchedule" timeAdded {
              seconds: 1706704496 nanos: 0 } }
            podCIDRs: "10.128.1.0/24" podCIDRs: "fd00:20:1::/64"
          }
          status {
            capacity { key: "cpu" value { string: "8" } } phase: "Running"
            conditions { type: "Ready" status: "True" }
            addresses { type: "InternalIP" address: "172.18.0.3" }
            addresses { type: "InternalIP" address: "fd00:18::3" }
            addresses { type: "ExternalIP" address: "192.0.2.3" }
            addresses { type: "Hostname" address: "worker-1" }
            daemonEndpoints { kubeletEndpoint { Port: 10250 } }
            nodeInfo { kernelVersion: "6.18" } images { names: "registry.example.com/a" sizeBytes: 123456789 }
          }
        }
        """,
        hex: """
            0000019d0a084d4f4449464945441290030a8d036b3873000a0a0a02763112044e6f646512f6020a460a08776f726b65722d3132
            0239394a0808f0fce8ad0610005a2c0a1b746f706f6c6f67792e6b756265726e657465732e696f2f7a6f6e65120d65752d63656e
            7472616c2d316112740a0d31302e3132382e312e302f323412001a05783a2f2f3120012a390a1e546f426544656c657465644279
            436c75737465724175746f7363616c65721201311a0a4e6f5363686564756c65220808f0fce8ad0610003a0d31302e3132382e31
            2e302f32343a0e666430303a32303a313a3a2f36341ab5010a0a0a0363707512030a01381a0752756e6e696e67220d0a05526561
            64791204547275652a180a0a496e7465726e616c4950120a3137322e31382e302e332a180a0a496e7465726e616c4950120a6664
            30303a31383a3a332a170a0a45787465726e616c495012093139322e302e322e332a140a08486f73746e616d651208776f726b65
            722d3132050a03088a503a062204362e3138421d0a1672656769737472792e6578616d706c652e636f6d2f6110959aef3a1a0022
            00
            """)

    /// A frame of a watch: a ServiceCIDR that was deleted.
    static let serviceCIDR = Golden(
        """
        k8s.io.api.networking.v1.ServiceCIDR {
          metadata { name: "kubernetes" resourceVersion: "8" }
          spec { cidrs: "10.96.0.0/12" cidrs: "fd00:10::/112" }
          status { conditions { type: "Ready" status: "True" } }
        }
        """,
        hex: """
            0000007d0a0744454c4554454412720a706b3873000a230a146e6574776f726b696e672e6b38732e696f2f7631120b5365727669
            63654349445212410a0f0a0a6b756265726e65746573320138121d0a0c31302e39362e302e302f31320a0d666430303a31303a3a
            2f3131321a0f0a0d0a0552656164791204547275651a002200
            """)

    /// A frame of a watch: the error that ends it.
    static let status = Golden(
        """
        k8s.io.apimachinery.pkg.apis.meta.v1.Status {
          metadata { }
          status: "Failure" message: "too old resource version: 1 (4711)" reason: "Expired"
          details { name: "" group: "" kind: "" causes { reason: "ResourceVersionTooOld" message: "x"
            field: "" } retryAfterSeconds: 7 uid: "" }
          code: 410
        }
        """,
        hex: """
            000000880a054552524f52127f0a7d6b3873000a0c0a027631120653746174757312650a0012074661696c7572651a22746f6f20
            6f6c64207265736f757263652076657273696f6e3a2031202834373131292207457870697265642a280a0012001a00221c0a1552
            65736f7572636556657273696f6e546f6f4f6c641201781a0028073200309a031a002200
            """)

    /// A frame of a watch: the bookmark after the initial events.
    static let bookmark = Golden(
        """
        k8s.io.api.core.v1.Service {
          metadata { resourceVersion: "5000" creationTimestamp { } annotations {
            key: "k8s.io/initial-events-end" value: "true" } }
          spec { }
          status { }
        }
        """,
        hex: """
            000000580a08424f4f4b4d41524b124c0a4a6b3873000a0d0a02763112075365727669636512310a2b320435303030420062210a
            196b38732e696f2f696e697469616c2d6576656e74732d656e6412047472756512001a001a002200
            """)
}

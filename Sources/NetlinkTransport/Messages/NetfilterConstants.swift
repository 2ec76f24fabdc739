import Netfilter
import NetworkTypes

/// Message types of the nftables subsystem (`linux/netfilter/nf_tables.h`), in the byte that names the message.
enum NFTMessage {
    static let newTable: UInt16 = 0
    static let getTable: UInt16 = 1
    static let deleteTable: UInt16 = 2
    static let newChain: UInt16 = 3
    static let getChain: UInt16 = 4
    static let deleteChain: UInt16 = 5
    static let newRule: UInt16 = 6
    static let getRule: UInt16 = 7
    static let deleteRule: UInt16 = 8
    static let newSet: UInt16 = 9
    static let getSet: UInt16 = 10
    static let deleteSet: UInt16 = 11
    static let newElement: UInt16 = 12
    static let getElement: UInt16 = 13
    static let deleteElement: UInt16 = 14
    static let destroyElement: UInt16 = 30
    static let newGeneration: UInt16 = 15
    static let getGeneration: UInt16 = 16
    /// `NFNLGRP_NFTABLES`: the multicast group that is told of each commit.
    static let group: UInt32 = 7

    /// The nftables subsystem of nfnetlink, in the upper byte of a message type.
    static let subsystem = UInt16(subsystemNumber) << 8
    /// `NFNL_SUBSYS_NFTABLES`.
    static let subsystemNumber: UInt8 = 10
    static let batchBegin: UInt16 = 0x10
    static let batchEnd: UInt16 = 0x11
}

/// Flags of a netlink message header (`linux/netlink.h`).
enum NetlinkFlag {
    static let request: UInt16 = 0x1
    static let acknowledge: UInt16 = 0x4
    static let dumpInterrupted: UInt16 = 0x10
    static let dump: UInt16 = 0x300
    static let create: UInt16 = 0x400
    static let append: UInt16 = 0x800
}

/// Flags in the type of an attribute (`linux/netlink.h`).
enum AttributeFlag {
    /// `NLA_F_NESTED`.
    static let nested: UInt16 = 0x8000
    /// `NLA_TYPE_MASK`: what is left of a type without flags.
    static let typeMask: UInt16 = 0x3FFF
}

/// Message types that netlink itself answers with.
enum NetlinkControl {
    static let error: UInt16 = 2
    static let done: UInt16 = 3
}

/// What an error or an acknowledgement has behind the message that it is about (`enum nlmsgerr_attrs`).
enum ExtendedReport {
    /// `NLM_F_ACK_TLVS`: there are such attributes.
    static let flag: UInt16 = 0x200
    static let text: UInt16 = 1
    static let offset: UInt16 = 2
}

/// Message types and groups of `NETLINK_ROUTE` (`linux/rtnetlink.h`).
enum RouteMessage {
    /// `NETLINK_ROUTE`.
    static let netlinkProtocol: Int32 = 0

    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26

    static let linkGroup: UInt32 = 1
    static let addressGroups: [UInt32] = [5, 9]
    static let routeGroups: [UInt32] = [7, 11]

    /// `AF_INET` and `AF_INET6`.
    static let ipv4: Int32 = 2
    static let ipv6: Int32 = 10

    /// `IFF_UP` of `linux/if.h`.
    static let isUp: UInt32 = 1
}

/// Attributes and flags of an address (`linux/if_addr.h`).
enum AddressField {
    /// The address, or the peer's on a point-to-point link.
    static let address: UInt16 = 1
    /// The own address, where `address` is the peer's.
    static let local: UInt16 = 2
    static let flags: UInt16 = 8

    static let optimistic: UInt32 = 0x04
    static let duplicateDetectionFailed: UInt32 = 0x08
    static let tentative: UInt32 = 0x40
}

/// Attributes of elements (`enum nft_set_elem_list_attributes`, `enum nft_set_elem_attributes`).
enum ElementAttribute {
    static let listTable: UInt16 = 1
    static let listSet: UInt16 = 2
    static let listElements: UInt16 = 3
    static let item: UInt16 = 1
    static let key: UInt16 = 1
    static let data: UInt16 = 2
    static let flags: UInt16 = 3
    static let userData: UInt16 = 6
    static let expression: UInt16 = 7
    static let keyEnd: UInt16 = 10
    static let value: UInt16 = 1

    /// The element is the end of an interval (`NFT_SET_ELEM_INTERVAL_END`).
    static let intervalEnd: UInt32 = 1
}

/// The errno values that Fairlead tells apart.
enum ErrorNumber {
    static let notPermitted: Int32 = 1
    static let noEntry: Int32 = 2
    static let tooBig: Int32 = 7
    static let exists: Int32 = 17
    static let invalid: Int32 = 22
    /// `ENFILE`: a set has as many elements as it may have.
    static let tableOverflow: Int32 = 23
    static let noSpace: Int32 = 28
    static let range: Int32 = 34
    static let notEmpty: Int32 = 39
    static let overflow: Int32 = 75
    static let interruptedCall: Int32 = 4
    static let protocolNotSupported: Int32 = 93
    static let notSupported: Int32 = 95
    static let familyNotSupported: Int32 = 97
    static let noBufferSpace: Int32 = 105
    static let timedOut: Int32 = 110
    static let restart: Int32 = 85
    static let messageSize: Int32 = 90
    static let busy: Int32 = 16
    /// `EAGAIN`: nothing is there now.
    static let tryAgain: Int32 = 11
    static let noMemory: Int32 = 12
}

/// Families of netfilter (`NFPROTO_*`).
enum NetfilterFamily {
    /// Both.
    static let inet: UInt8 = 1
    static let ipv4: UInt8 = 2
    static let ipv6: UInt8 = 10
}

extension IPFamily {
    /// The kernel's number of the nftables family (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
    var netfilterNumber: UInt8 { self == .ipv4 ? NetfilterFamily.ipv4 : NetfilterFamily.ipv6 }
}

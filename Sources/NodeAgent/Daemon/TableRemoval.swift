import Netfilter
import NetlinkTransport
import NetworkTypes

extension NftablesKernel {
    /// Removes the tables of this name that are there, in one transaction. Returns their families.
    package func removeTables(named name: String) throws(NetlinkError) -> [IPFamily] {
        let families = try families(ofTable: name)
        var transaction = Transaction(tableName: name)
        for family in families { transaction.append(family, .deleteTable) }
        try commit(transaction, expecting: nil)
        return families
    }
}

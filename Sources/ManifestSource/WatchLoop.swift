import CLinux
import Glibc
import KubernetesModel

/// What the watcher's thread does: wait for events, read what they name, post what changed.
struct WatchLoop {
    private let mailbox: ManifestMailbox
    private let stopper: Stopper
    private var set: ManifestSet
    private let inotify: Int32
    /// The directories that are watched, by watch. One directory has one watch, even if it goes by several names.
    private var watches: [Int32: Set<String>] = [:]
    /// Memory for one round of events.
    private var events: [fl_watch_event]

    /// How often to look for a directory that cannot be watched, as it does not exist or the system has no watch left.
    private static let pollMilliseconds: Int32 = 1000

    init(paths: [String], mailbox: ManifestMailbox, stopper: Stopper) {
        self.mailbox = mailbox
        self.stopper = stopper
        set = ManifestSet(paths: paths)
        inotify = fl_inotify_open()
        events = [fl_watch_event](repeating: fl_watch_event(), count: Int(FL_WATCH_EVENTS))
    }

    /// Runs until the stopper says so.
    mutating func run() {
        // Watched before it is read, so that no change falls in between.
        arm()
        mailbox.post(set.load())
        while true {
            let missing = rootsWithoutWatch()
            let ready = fl_wait(inotify, stopper.wake, missing.isEmpty ? -1 : Self.pollMilliseconds)
            if ready < 0 {
                // The system has no memory for the wait: that passes, and nobody would start the loop again.
                usleep(useconds_t(Self.pollMilliseconds * 1000))
                let isStopped = fl_wait(-1, stopper.wake, 0)
                if isStopped > 0 && isStopped & 2 != 0 { break }
                continue
            }
            if ready & 2 != 0 { break }
            if ready & 1 != 0 { handleEvents() }
            if ready == 0 { poll(missing) }
            if set.hasUpdate { mailbox.post(set.takeUpdate()) }
        }
        finish()
    }

    /// Closes what is open and ends the sequence.
    func finish() {
        fl_close(inotify)
        mailbox.close()
        stopper.close()
    }

    /// The directory whose events tell of a path: itself, or the one that holds the file, which sees it replaced.
    private func directory(of root: ManifestSet.Root) -> String {
        root.isDirectory ?? Self.isDirectory(root.path) ? root.path : FileSystem.split(root.path).directory
    }

    private static func isDirectory(_ path: String) -> Bool { (try? FileSystem.stamp(path))?.isDirectory ?? false }

    private func rootsWithoutWatch() -> [Int] {
        let watched = watches.values.reduce(into: Set<String>()) { $0.formUnion($1) }
        return set.roots.indices.filter { !watched.contains(directory(of: set.roots[$0])) }
    }

    /// Watches the directories that are not watched yet, and returns the paths that this made visible.
    @discardableResult private mutating func arm() -> [Int] {
        var armed: [Int] = []
        for root in rootsWithoutWatch() {
            let directory = directory(of: set.roots[root])
            let watch = fl_inotify_add(inotify, directory)
            if watch < 0 { continue }
            watches[watch, default: []].insert(directory)
            armed.append(root)
        }
        return armed
    }

    private mutating func poll(_ missing: [Int]) {
        let armed = arm()
        for root in missing { set.scan(root, rereadAll: armed.contains(root)) }
        arm()
    }

    /// Reads what the waiting events name.
    private mutating func handleEvents() {
        var named: Set<ManifestSet.Rank> = []
        var rescan: Set<Int> = []
        while true {
            let count = events.withUnsafeMutableBufferPointer { fl_inotify_read(inotify, $0.baseAddress) }
            if count <= 0 { break }
            for index in 0..<Int(count) { note(index, &named, &rescan) }
        }
        if !rescan.isEmpty { rescan.formUnion(arm()) }
        for root in rescan.sorted() { set.scan(root, rereadAll: true) }
        for rank in named.sorted() where !rescan.contains(rank.root) { set.read(rank) }
        // A path may have turned from a file into a directory.
        let armed = arm()
        for root in armed { set.scan(root, rereadAll: true) }
    }

    private mutating func note(_ index: Int, _ named: inout Set<ManifestSet.Rank>, _ rescan: inout Set<Int>) {
        let mask = events[index].mask
        if mask & UInt32(FL_EVENT_OVERFLOW) != 0 {
            rescan.formUnion(set.roots.indices)
            return
        }
        guard let directories = watches[events[index].wd] else { return }
        let affected = set.roots.indices.filter { directories.contains(directory(of: set.roots[$0])) }
        if mask & UInt32(FL_EVENT_SELF_GONE) != 0 {
            // A directory that was moved away would go on to report what happens to it elsewhere.
            _ = fl_inotify_remove(inotify, events[index].wd)
            watches[events[index].wd] = nil
            rescan.formUnion(affected)
            return
        }
        let name = withUnsafeBytes(of: &events[index].name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        // kubelet swaps this link to replace all files of a mounted ConfigMap at once.
        if name == "..data" {
            rescan.formUnion(affected)
            return
        }
        for root in affected {
            guard let path = path(of: name, in: set.roots[root]) else { continue }
            // A new regular file is incomplete until its writer closes it; a link is complete.
            let isChange = mask & UInt32(FL_EVENT_CHANGED) != 0
            if isChange || fl_is_link(path) == 1 || Self.isDirectory(path) {
                if set.roots[root].isDirectory == true {
                    named.insert(ManifestSet.Rank(root: root, path: path))
                } else {
                    rescan.insert(root)
                }
            }
        }
    }

    /// The path of a name in a watched directory, if it is one that the root stands for.
    private func path(of name: String, in root: ManifestSet.Root) -> String? {
        if directory(of: root) == root.path {
            return FileSystem.isManifestName(name) ? FileSystem.join(root.path, name) : nil
        }
        return FileSystem.split(root.path).name == name ? root.path : nil
    }
}

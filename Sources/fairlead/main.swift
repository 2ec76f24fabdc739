import FairleadCommands

await Fairlead.main()

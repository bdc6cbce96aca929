namespace BulkIn;

/// <summary>What the queue's buffers are made of.</summary>
public enum BulkInMemory
{
    /// <summary>Device memory where it is known to be an advantage and passes a self-check (an own device on x64 Linux), pinned managed memory
    /// otherwise. The default.</summary>
    Automatic = 0,

    /// <summary>Managed memory on the pinned object heap, on every platform.</summary>
    Pinned,

    /// <summary>Device memory (<c>libusb_dev_mem_alloc</c>) wherever the platform has it and it passes the self-check, pinned memory otherwise. On
    /// ARM boards without coherent DMA reading it is 35 to 50 times slower.</summary>
    Device,
}

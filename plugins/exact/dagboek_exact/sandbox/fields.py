"""The fields of each resource with their Edm types, and which of them a body may set: facts of Exact's own reference.

`name:type` may be set when a row is made and when it is changed; `+` when it is made only; `-` never.
`name:>Resource` is a collection. What the reference hides is left out, so that writing it is refused as unknown.
"""

FIELDS: dict[str, str] = {
    "current/Me": """
        UserID:guid AccountingDivision:int32 CurrentDivision:int32 CustomerCode:text DivisionCustomer:guid
        DivisionCustomerCode:text DivisionCustomerName:text DivisionCustomerSiretNumber:text
        DivisionCustomerVatNumber:text DossierDivision:int32 Email:text EmployeeID:guid FirstName:text
        FullName:text Gender:text Initials:text IsClientUser:bool IsMyFirmLiteUser:bool IsMyFirmPortalUser:bool
        Language:text LanguageCode:text LastName:text Legislation:int64 MiddleName:text Mobile:text
        Nationality:text Phone:text PhoneExtension:text PictureUrl:text ServerTime:text ServerUtcOffset:double
        ThumbnailPicture:binary ThumbnailPictureFormat:text Title:text UserName:text
    """,
    "system/Divisions": """
        Code:int32 AddressLine1:text AddressLine2:text AddressLine3:text ArchiveDate:time BlockingStatus:int32
        BusinessTypeCode:text BusinessTypeDescription:text ChamberOfCommerceEstablishment:text
        ChamberOfCommerceNumber:text City:text CompanySizeCode:text CompanySizeDescription:text Country:text
        Created:time Creator:guid CreatorFullName:text Currency:text Current:bool Customer:guid
        CustomerCode:text CustomerName:text DatevAccountantNumber:text DatevClientNumber:text Description:text
        DivisionMoveDate:time Email:text Fax:text Hid:int64 IsDossierDivision:bool IsMainDivision:bool
        IsPracticeDivision:bool Legislation:text Modified:time Modifier:guid ModifierFullName:text OBNumber:text
        Phone:text Postcode:text SbiCode:text SbiDescription:text SectorCode:text SectorDescription:text
        ShareCapital:double SiretNumber:text StartDate:time State:text Status:int32 SubsectorCode:text
        SubsectorDescription:text TaxOfficeNumber:text TaxReferenceNumber:text TemplateCode:text VATNumber:text
        Website:text
    """,
    "financial/GLAccounts": """
        ID:guid AssimilatedVATBox:int16 BalanceSide:text BalanceType:text BelcotaxType:int32 Code:text
        Compress:bool Costcenter:text CostcenterDescription:text- Costunit:text CostunitDescription:text-
        Created:time- Creator:guid- CreatorFullName:text- DeductibilityPercentages:>DeductibilityPercentages
        Description:text Division:int32- ExcludeVATListing:byte ExpenseNonDeductiblePercentage:double
        IsBlocked:bool Matching:bool Modified:time- Modifier:guid- ModifierFullName:text- PrivateGLAccount:guid
        PrivatePercentage:double ReportingCode:text RevalueCurrency:bool SearchCode:text Type:int32
        TypeDescription:text- UseCostcenter:byte UseCostunit:byte VATCode:text VATDescription:text-
        VATGLAccountType:text VATNonDeductibleGLAccount:guid VATNonDeductiblePercentage:double VATSystem:text
        YearEndCostGLAccount:guid YearEndReflectionGLAccount:guid
    """,
    "financial/Journals": """
        ID:guid AllowVariableCurrency:bool AllowVariableExchangeRate:bool AllowVAT:bool AutoSave:bool Bank:guid
        BankAccountBICCode:text- BankAccountCountry:text- BankAccountDescription:text- BankAccountIBAN:text-
        BankAccountID:guid BankAccountIncludingMask:text BankAccountUseSEPA:bool-
        BankAccountUseSepaDirectDebit:bool- BankName:text- Code:text Created:time- Creator:guid-
        CreatorFullName:text- Currency:text CurrencyDescription:text- Description:text Division:int32-
        GLAccount:guid GLAccountCode:text- GLAccountDescription:text- GLAccountType:int32- IsBlocked:bool
        Modified:time- Modifier:guid- ModifierFullName:text- PaymentInTransitAccount:guid
        PaymentServiceAccountIdentifier:text PaymentServiceProvider:int32 PaymentServiceProviderName:text-
        Type:int32
    """,
    "financial/FinancialPeriods": """
        ID:guid Created:time Creator:guid CreatorFullName:text Division:int32 EndDate:time FinPeriod:int16
        FinYear:int16 Modified:time Modifier:guid ModifierFullName:text StartDate:time
    """,
    "read/financial/JournalStatusList": """
        Journal:text Period:int32 Year:int32 JournalDescription:text JournalType:int32
        JournalTypeDescription:text Status:int32 StatusDescription:text
    """,
    "vat/VATCodes": """
        ID:guid Account:guid AccountCode:text- AccountName:text- CalculationBasis:byte Charged:bool Code:text
        Country:text- Created:time- Creator:guid- CreatorFullName:text- Description:text Division:int32-
        EUSalesListing:text ExcludeVATListing:byte GLDiscountPurchase:guid GLDiscountPurchaseCode:text-
        GLDiscountPurchaseDescription:text- GLDiscountSales:guid GLDiscountSalesCode:text-
        GLDiscountSalesDescription:text- GLToClaim:guid GLToClaimCode:text- GLToClaimDescription:text-
        GLToPay:guid GLToPayCode:text- GLToPayDescription:text- IntraStat:bool IntrastatType:text IsBlocked:bool
        LegalText:text Modified:time- Modifier:guid- ModifierFullName:text- OssCountry:text Percentage:double-
        TaxReturnType:int16 Type:text VatDocType:text VatMargin:byte VATPartialRatio:int16
        VATPercentages:>VATPercentages VATTransactionType:text
    """,
    "vat/VatPercentages": """
        ID:guid Created:time Creator:guid CreatorFullName:text Division:int32 EndDate:time LineNumber:int32
        Modified:time Modifier:guid ModifierFullName:text Percentage:double StartDate:time Type:int16
        VATCodeID:guid
    """,
    "cashflow/PaymentConditions": """
        ID:guid+ Code:text+ Created:time- Creator:guid- CreatorFullName:text- CreditManagementScenario:guid+
        CreditManagementScenarioCode:text- CreditManagementScenarioDescription:text- Description:text+
        DiscountCalculation:text+ DiscountPaymentDays:int32+ DiscountPercentage:double+ Division:int32-
        Modified:time- Modifier:guid- ModifierFullName:text- PaymentDays:int32+ PaymentDiscountType:text+
        PaymentEndOfMonths:int32+ PaymentMethod:text+ Percentage:double+ VATCalculation:text+
    """,
    "crm/Accounts": """
        ID:guid Accountant:guid AccountManager:guid AccountManagerFullName:text- AccountManagerHID:int32-
        ActivitySector:guid ActivitySubSector:guid AddressLine1:text AddressLine2:text AddressLine3:text
        BankAccounts:>BankAccounts- Blocked:bool BRIN:guid- BSN:text BusinessType:guid CanDropShip:bool
        ChamberOfCommerce:text City:text Classification:text- Classification1:guid Classification2:guid
        Classification3:guid Classification4:guid Classification5:guid Classification6:guid Classification7:guid
        Classification8:guid ClassificationDescription:text- Code:text CodeAtSupplier:text CompanySize:guid
        ConsolidationScenario:byte ControlledDate:time Costcenter:text- CostcenterDescription:text-
        CostPaid:byte- Country:text CountryName:text- Created:time- Creator:guid- CreatorFullName:text-
        CreditLinePurchase:double CreditLineSales:double Currency:text- CustomerSince:time- CustomField:text-
        DatevCreditorCode:text DatevDebtorCode:text DiscountPurchase:double DiscountSales:double Division:int32-
        Document:guid- DunsNumber:text- Email:text EndDate:time EORINumber:text EstablishedDate:time Fax:text
        GLAccountPurchase:guid GLAccountSales:guid GLAP:guid GLAR:guid GlnNumber:text
        HasWithholdingTaxSales:bool IgnoreDatevWarningMessage:bool IncotermAddressPurchase:text
        IncotermAddressSales:text IncotermCodePurchase:text IncotermCodeSales:text IncotermVersionPurchase:int16
        IncotermVersionSales:int16 IntraStatArea:text IntraStatDeliveryTerm:text IntraStatSystem:text
        IntraStatTransactionA:text IntraStatTransactionB:text IntraStatTransportMethod:text InvoiceAccount:guid
        InvoiceAccountCode:text- InvoiceAccountName:text- InvoiceAttachmentType:int32 InvoicingMethod:int32
        IsAccountant:byte IsAgency:byte IsAnonymised:byte- IsBank:bool- IsCompetitor:byte IsExtraDuty:bool
        IsMailing:byte IsMember:bool- IsPilot:bool IsPurchase:bool- IsReseller:bool IsSales:bool-
        IsSupplier:bool Language:text LanguageDescription:text- Latitude:double LeadPurpose:guid LeadSource:guid
        Logo:binary LogoFileName:text LogoThumbnailUrl:text- LogoUrl:text- Longitude:double MainContact:guid
        Modified:time- Modifier:guid- ModifierFullName:text- Name:text OINNumber:text Parent:guid
        PayAsYouEarn:text PaymentConditionPurchase:text PaymentConditionPurchaseDescription:text-
        PaymentConditionSales:text PaymentConditionSalesDescription:text- Phone:text PhoneExtension:text
        Postcode:text PriceList:guid PurchaseCurrency:text PurchaseCurrencyDescription:text-
        PurchaseLeadDays:int32 PurchaseVATCode:text PurchaseVATCodeDescription:text- RecepientOfCommissions:bool
        Remarks:text Reseller:guid ResellerCode:text- ResellerName:text- RSIN:text SalesCurrency:text
        SalesCurrencyDescription:text- SalesTaxSchedule:guid SalesTaxScheduleCode:text-
        SalesTaxScheduleDescription:text- SalesVATCode:text SalesVATCodeDescription:text- SearchCode:text
        SecurityLevel:int32 SeparateInvPerSubscription:byte ShippingLeadDays:int32 ShippingMethod:guid
        ShowRemarkForSales:bool StartDate:time State:text StateName:text- Status:text StatusSince:time-
        TradeName:text Type:text- UniqueTaxpayerReference:text VATLiability:text VATNumber:text Website:text
    """,
    "salesentry/SalesEntries": """
        EntryID:guid AmountDC:double- AmountFC:double- BatchNumber:int32 Created:time- Creator:guid-
        CreatorFullName:text- Currency:text Customer:guid CustomerName:text- Description:text Division:int32-
        Document:guid DocumentNumber:int32- DocumentSubject:text- DueDate:time EntryDate:time EntryNumber:int32
        ExternalLinkDescription:text- ExternalLinkReference:text GAccountAmountFC:double InvoiceNumber:int32
        IsExtraDuty:bool Journal:text JournalDescription:text- Modified:time- Modifier:guid-
        ModifierFullName:text- OrderNumber:int32 PaymentCondition:text PaymentConditionDescription:text-
        PaymentReference:text ProcessNumber:int32 Rate:double ReportingPeriod:int16 ReportingYear:int16
        Reversal:bool SalesEntryLines:>SalesEntryLines Status:int16- StatusDescription:text- Type:int32-
        TypeDescription:text- VATAmountDC:double- VATAmountFC:double WithholdingTaxAmountDC:double
        WithholdingTaxBaseAmount:double WithholdingTaxPercentage:double YourRef:text
    """,
    "salesentry/SalesEntryLines": """
        ID:guid AmountDC:double- AmountFC:double Asset:guid AssetDescription:text- CostCenter:text
        CostCenterDescription:text- CostUnit:text CostUnitDescription:text- Description:text Division:int32-
        EntryID:guid ExtraDutyAmountFC:double ExtraDutyPercentage:double From:time GLAccount:guid
        GLAccountCode:text- GLAccountDescription:text- IntraStatArea:text IntraStatCountry:text
        IntraStatDeliveryTerm:text IntraStatTransactionA:text IntraStatTransactionB:text
        IntraStatTransportMethod:text LineNumber:int32- Notes:text Project:guid ProjectDescription:text-
        Quantity:double SerialNumber:text StatisticalNetWeight:double StatisticalNumber:text
        StatisticalQuantity:double StatisticalValue:double Subscription:guid SubscriptionDescription:text-
        TaxSchedule:guid To:time TrackingNumber:guid TrackingNumberDescription:text- Type:int32-
        VATAmountDC:double- VATAmountFC:double VATBaseAmountDC:double VATBaseAmountFC:double VATCode:text
        VATCodeDescription:text- VATPercentage:double
    """,
    "purchaseentry/PurchaseEntries": """
        EntryID:guid AmountDC:double- AmountFC:double- BatchNumber:int32 Created:time- Creator:guid-
        CreatorFullName:text- Currency:text Description:text Division:int32- Document:guid DocumentNumber:int32-
        DocumentSubject:text- DueDate:time EntryDate:time EntryNumber:int32 ExternalLinkDescription:text-
        ExternalLinkReference:text GAccountAmountFC:double InvoiceNumber:int32 Journal:text
        JournalDescription:text- Modified:time- Modifier:guid- ModifierFullName:text- OrderNumber:int32
        PaymentCondition:text PaymentConditionDescription:text- PaymentReference:text ProcessNumber:int32
        PurchaseEntryLines:>PurchaseEntryLines Rate:double ReportingPeriod:int16 ReportingYear:int16
        Reversal:bool Status:int16- StatusDescription:text- Supplier:guid SupplierName:text- Type:int32-
        TypeDescription:text- VATAmountDC:double- VATAmountFC:double YourRef:text
    """,
    "purchaseentry/PurchaseEntryLines": """
        ID:guid AmountDC:double- AmountFC:double Asset:guid AssetDescription:text- CostCenter:text
        CostCenterDescription:text- CostUnit:text CostUnitDescription:text- Description:text Division:int32-
        EntryID:guid From:time GLAccount:guid GLAccountCode:text- GLAccountDescription:text- IntraStatArea:text
        IntraStatCountry:text IntraStatDeliveryTerm:text IntraStatTransactionA:text IntraStatTransactionB:text
        IntraStatTransportMethod:text LineNumber:int32- Notes:text PrivateUsePercentage:double Project:guid
        ProjectDescription:text- Quantity:double SerialNumber:text StatisticalNetWeight:double
        StatisticalNumber:text StatisticalQuantity:double StatisticalValue:double Subscription:guid
        SubscriptionDescription:text- To:time TrackingNumber:guid TrackingNumberDescription:text- Type:int32-
        VATAmountDC:double- VATAmountFC:double VATBaseAmountDC:double- VATBaseAmountFC:double VATCode:text
        VATCodeDescription:text- VATNonDeductiblePercentage:double VATPercentage:double
        WithholdingAmountDC:double WithholdingTax:text
    """,
    "documents/Documents": """
        ID:guid Account:guid AccountCode:text- AccountName:text- AmountFC:double Body:text Category:guid
        CategoryDescription:text Contact:guid ContactFullName:text- Created:time- Creator:guid-
        CreatorFullName:text Currency:text Division:int32- DocumentDate:time DocumentFolder:guid
        DocumentFolderCode:text- DocumentFolderDescription:text- DocumentViewUrl:text- ExpiryDate:time
        FinancialTransactionEntryID:guid HasEmptyBody:bool- HID:int32 InheritShare:bool Language:text
        Modified:time- Modifier:guid- ModifierFullName:text- Opportunity:guid Project:guid ProjectCode:text-
        ProjectDescription:text- ProposedEntryStatus:int16 SalesInvoiceNumber:int32 SalesOrderNumber:int32
        SendMethod:int32- ShopOrderNumber:int32 Subject:text Type:int32 TypeDescription:text-
    """,
    "documents/DocumentAttachments": """
        ID:guid+ Attachment:binary+ Document:guid+ FileName:text+ FileSize:double- Url:text-
    """,
    "documents/DocumentTypes": """
        ID:int32 Created:time Description:text DocumentIsCreatable:bool DocumentIsDeletable:bool
        DocumentIsUpdatable:bool DocumentIsViewable:bool Modified:time TypeCategory:int32
    """,
    "read/financial/ReceivablesList": """
        HID:int64 AccountCode:text AccountId:guid AccountName:text Amount:double AmountInTransit:double
        CurrencyCode:text Description:text DueDate:time EntryNumber:int32 Id:guid InvoiceDate:time
        InvoiceNumber:int32 JournalCode:text JournalDescription:text YourRef:text
    """,
    "read/financial/PayablesList": """
        HID:int64 AccountCode:text AccountId:guid AccountName:text Amount:double AmountInTransit:double
        ApprovalStatus:int16 CurrencyCode:text Description:text DueDate:time EntryNumber:int32 Id:guid
        InvoiceDate:time InvoiceNumber:int32 JournalCode:text JournalDescription:text YourRef:text
    """,
    "cashflow/Receivables": """
        ID:guid Account:guid- AccountBankAccountID:guid- AccountBankAccountNumber:text- AccountCode:text-
        AccountContact:guid- AccountContactName:text- AccountCountry:text- AccountName:text- AmountDC:double-
        AmountDiscountDC:double- AmountDiscountFC:double- AmountFC:double- BankAccountID:guid-
        BankAccountNumber:text- CashflowTransactionBatchCode:text- Created:time- Creator:guid-
        CreatorFullName:text- Currency:text- Description:text DirectDebitMandate:guid-
        DirectDebitMandateDescription:text- DirectDebitMandatePaymentType:int16-
        DirectDebitMandateReference:text- DirectDebitMandateType:int16- DiscountDueDate:time- Division:int32-
        Document:guid- DocumentNumber:int32- DocumentSubject:text- DueDate:time- EndDate:time- EndPeriod:int16-
        EndToEndID:text- EndYear:int16- EntryDate:time- EntryID:guid- EntryNumber:int32- GLAccount:guid-
        GLAccountCode:text- GLAccountDescription:text- InvoiceDate:time- InvoiceNumber:int32-
        IsBatchBooking:byte- IsFullyPaid:bool- Journal:text- JournalDescription:text- LastPaymentDate:time-
        Modified:time- Modifier:guid- ModifierFullName:text- OrderNumber:int32- PaymentCondition:text-
        PaymentConditionDescription:text- PaymentDays:int32- PaymentDaysDiscount:int32-
        PaymentDiscountPercentage:double- PaymentInformationID:text- PaymentMethod:text PaymentReference:text
        RateFC:double- ReceivableBatchNumber:int32- ReceivableSelected:time- ReceivableSelector:guid-
        ReceivableSelectorFullName:text- Source:int32- Status:int16- TransactionAmountDC:double-
        TransactionAmountFC:double- TransactionDueDate:time- TransactionEntryID:guid- TransactionID:guid-
        TransactionIsReversal:bool- TransactionReportingPeriod:int16- TransactionReportingYear:int16-
        TransactionStatus:int16- TransactionType:int32- YourRef:text-
    """,
    "cashflow/Payments": """
        ID:guid Account:guid- AccountBankAccountID:guid- AccountBankAccountNumber:text- AccountCode:text-
        AccountContact:guid- AccountContactName:text- AccountName:text- AmountDC:double-
        AmountDiscountDC:double- AmountDiscountFC:double- AmountFC:double- BankAccountID:guid-
        BankAccountNumber:text- CashflowTransactionBatchCode:text- Created:time- Creator:guid-
        CreatorFullName:text- Currency:text- Description:text DiscountDueDate:time- Division:int32-
        Document:guid- DocumentNumber:int32- DocumentSubject:text- DueDate:time- EndDate:time- EndPeriod:int16-
        EndYear:int16- EntryDate:time- EntryID:guid- EntryNumber:int32- GLAccount:guid- GLAccountCode:text-
        GLAccountDescription:text- InvoiceDate:time- InvoiceNumber:int32- IsBatchBooking:byte- Journal:text-
        JournalDescription:text- Modified:time- Modifier:guid- ModifierFullName:text- PaymentBatchNumber:int32-
        PaymentCondition:text- PaymentConditionDescription:text- PaymentDays:int32- PaymentDaysDiscount:int32-
        PaymentDiscountPercentage:double- PaymentMethod:text PaymentReference:text PaymentSelected:time-
        PaymentSelector:guid- PaymentSelectorFullName:text- RateFC:double- Source:int32- Status:int16-
        TransactionAmountDC:double- TransactionAmountFC:double- TransactionDueDate:time-
        TransactionEntryID:guid- TransactionID:guid- TransactionIsReversal:bool-
        TransactionReportingPeriod:int16- TransactionReportingYear:int16- TransactionStatus:int16-
        TransactionType:int32- YourRef:text-
    """,
    "sync/Cashflow/PaymentTerms": """
        Timestamp:int64 Account:guid AccountBankAccountID:guid AccountBankAccountNumber:text AccountCode:text
        AccountContact:guid AccountContactName:text AccountCountry:text AccountName:text AmountDC:double
        AmountDiscountDC:double AmountDiscountFC:double AmountFC:double ApprovalStatus:int16 BankAccountID:guid
        BankAccountNumber:text CashflowTransactionBatchCode:text Created:time Creator:guid CreatorFullName:text
        Currency:text Description:text DirectDebitMandate:guid DirectDebitMandateDescription:text
        DirectDebitMandatePaymentType:int16 DirectDebitMandateReference:text DirectDebitMandateType:int16
        DiscountDueDate:time Division:int32 Document:guid DocumentNumber:int32 DocumentSubject:text DueDate:time
        EndDate:time EndPeriod:int16 EndToEndID:text EndYear:int16 EntryDate:time EntryID:guid EntryNumber:int32
        GLAccount:guid GLAccountCode:text GLAccountDescription:text ID:guid InvoiceDate:time InvoiceNumber:int32
        IsBatchBooking:byte IsFullyPaid:bool Journal:text JournalDescription:text LastPaymentDate:time
        LineType:int16 Modified:time Modifier:guid ModifierFullName:text OrderNumber:int32
        PaymentBatchNumber:int32 PaymentCondition:text PaymentConditionDescription:text PaymentDays:int32
        PaymentDaysDiscount:int32 PaymentDiscountPercentage:double PaymentInformationID:text PaymentMethod:text
        PaymentReference:text PaymentSelected:time PaymentSelector:guid PaymentSelectorFullName:text
        RateFC:double ReceivableBatchNumber:int32 ReceivableSelected:time ReceivableSelector:guid
        ReceivableSelectorFullName:text Source:int32 Status:int16 TransactionAmountDC:double
        TransactionAmountFC:double TransactionDueDate:time TransactionEntryID:guid TransactionID:guid
        TransactionIsReversal:bool TransactionReportingPeriod:int16 TransactionReportingYear:int16
        TransactionStatus:int16 TransactionType:int32 YourRef:text
    """,
    "hrm/Costcenters": """
        ID:guid Active:bool Code:text+ Created:time- Creator:guid- CreatorFullName:text- Description:text
        Division:int32- EndDate:time Modified:time- Modifier:guid- ModifierFullName:text-
    """,
    "hrm/Costunits": """
        ID:guid Code:text+ Created:time- Creator:guid- CreatorFullName:text- Description:text Division:int32-
        EndDate:time Modified:time- Modifier:guid- ModifierFullName:text-
    """,
    "general/Currencies": """
        Code:text AmountPrecision:double Created:time Description:text Modified:time PricePrecision:double
    """,
    "sync/Deleted": """
        Timestamp:int64 DeletedBy:guid DeletedDate:time Division:int32 EntityKey:guid EntityType:int32 ID:guid
    """,
}
